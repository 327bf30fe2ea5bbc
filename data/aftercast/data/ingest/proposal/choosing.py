"""Which place is which table: by its name, else by how well it fits, else by asking."""

from __future__ import annotations

from typing import Final

from aftercast.data.contract import TABLES
from aftercast.data.ingest.proposal.candidates import Candidate
from aftercast.data.ingest.proposal.matching import Match, match
from aftercast.data.ingest.proposal.questions import NONE, Inquiry, Question

LEAD: Final = 0.25
"""How much better than the next a table must fit to be taken without asking."""
LEAST: Final = 1.9
"""Below this a place looks like no table."""
HALF: Final = 1.3
"""From here on a place that lacks a column of every table is asked about."""


def choose_tables(candidates: list[Candidate], inquiry: Inquiry) -> dict[str, tuple[Candidate, Match]]:
    """Place and match of each table found, in the contract's order."""
    found: dict[str, list[tuple[Candidate, Match]]] = {}
    for candidate in candidates:
        chosen = _choose(candidate, inquiry)
        if chosen is not None:
            found.setdefault(chosen.table, []).append((candidate, chosen))
    return {name: _one(name, found[name], inquiry) for name in TABLES if name in found}


def _choose(candidate: Candidate, inquiry: Inquiry) -> Match | None:
    said = inquiry.given(candidate.name) or candidate.named_table
    if said == NONE:
        return None
    if said:
        question = Question(candidate.name, f"Which table is {candidate.name}?", (*TABLES, NONE))
        if candidate.name in inquiry.answers:
            inquiry.ask(question)
        return match(candidate, said)
    matches = sorted((match(candidate, name) for name in TABLES), key=lambda each: -each.score)
    possible = [each for each in matches if each.is_possible and each.score >= LEAST]
    half = [each for each in matches if each.score >= HALF]
    if not possible and len(half) > 0 and len(candidate.sample) > 0:
        return _ask(candidate, half, inquiry)
    if not possible:
        inquiry.assume(f"{candidate.name}: looks like no table, is not read.")
        return None
    if len(possible) > 1 and possible[0].score - possible[1].score < LEAD:
        return _ask(candidate, possible, inquiry)
    inquiry.assume(f"{candidate.name}: read as {possible[0].table}.")
    return possible[0]


def _ask(candidate: Candidate, possible: list[Match], inquiry: Inquiry) -> Match | None:
    """Match as the table that somebody says it is; the likeliest, or none where it fits none, while nobody does."""
    names = tuple(each.table for each in possible[:4])
    text = f"Which table is {candidate.name}, with columns {', '.join(candidate.look.names[:8])}?"
    answer = inquiry.ask(
        Question(candidate.name, text, (*names, *(name for name in TABLES if name not in names), NONE))
    )
    if answer is None:
        return possible[0] if possible[0].is_possible else None
    return match(candidate, answer)


def _one(name: str, places: list[tuple[Candidate, Match]], inquiry: Inquiry) -> tuple[Candidate, Match]:
    """Return the one place of a table; several with the same columns are its parts, others are asked about."""
    if len(places) == 1:
        return places[0]
    first, found = max(places, key=lambda each: each[1].score)
    files = [each for each, _ in places]
    if all(each.look.names == first.look.names and each.settings.file for each in files) and not first.settings.sheet:
        pattern = _pattern([each.settings.file for each in files])
        settings = first.settings.model_copy(update={"file": pattern})
        inquiry.assume(f"{', '.join(each.name for each in files)}: parts of {name}, found as {pattern}.")
        return Candidate(first.name, first.title, settings, first.look, first.sample), found
    for each in files:
        if each is not first:
            text = f"{first.name} and {each.name} both look like {name}, with other columns. What is {each.name}?"
            inquiry.ask(Question(each.name, text, (NONE, *TABLES)))
    return first, found


def _pattern(names: list[str]) -> str:
    """Name with ``*`` that all of the names have.

    >>> _pattern(["log_2016.csv", "log_2017.csv"])
    'log_201*.csv'
    """
    shortest = min(map(len, names))
    start = next((k for k in range(shortest) if len({name[k] for name in names}) > 1), shortest)
    end = next((k for k in range(shortest - start) if len({name[-1 - k] for name in names}) > 1), shortest - start)
    return f"{names[0][:start]}*{names[0][len(names[0]) - end :]}"
