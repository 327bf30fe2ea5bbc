"""From a question to its answers: which horizon, which ids have a row, and which of these the caller sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import pandas as pd

from aftercast.data.workspace import Workspace
from aftercast.models.kinds import hazard_kind
from aftercast.models.registry.versions import Loaded
from aftercast.models.words.answers import answer
from aftercast.operations.clocks import format_duration, parse_duration_us
from aftercast.operations.errors import SettingsError
from aftercast.serving.absent import unknown, without_row
from aftercast.serving.errors import ProblemError
from aftercast.serving.model_holder import Champions
from aftercast.serving.principals import Caller
from aftercast.serving.problems import TOO_MANY, UNKNOWN_HORIZON
from aftercast.serving.response_cache import Fragment, Rows
from aftercast.serving.serialization import fragment
from aftercast.serving.tenancy import visible
from aftercast.serving.tracing import step

FEW: Final = 8
"""Number of answers that are made without leaving the event loop; they take less than a millisecond."""

Records = Mapping[str, Sequence[Mapping[str, Any]]]
"""Table name -> records of one device."""


@dataclass(frozen=True)
class Question:
    """What is asked of a kind of model.

    Attributes
    ----------
    ids
        Device or customer ids, in the order asked; one may occur twice.
    horizon
        Length of time after the cutoff; None is the usual one, or the model's longest where that is shorter.
    drivers
        How many to name.
    sent
        Records that come with the question, about its only device; None without any.
    """

    kind: str
    ids: Sequence[str]
    horizon: str | None
    drivers: int
    sent: Records | None = None


@dataclass(frozen=True)
class Reply:
    """Answers in the order asked, and the rows, cutoff and horizon they have in common."""

    rows: Rows
    cutoff: pd.Timestamp
    horizon: str
    fragments: tuple[Fragment, ...]


def ask_at_hand(champions: Champions, question: Question, caller: Caller) -> Reply | None:
    """Reply from what is in memory, in a moment; None where something has to be read or computed.

    Raises
    ------
    ProblemError
        As :func:`ask`.
    """
    if question.sent is not None or caller.outlets is not None:  # whose devices are in which outlet is in the store
        return None
    rows = champions.rows(question.kind)
    horizon = checked_horizon(rows.loaded, question.horizon)
    found = {each: rows.fragments.get((each, horizon, question.drivers)) for each in question.ids}
    fresh = [each for each, kept in found.items() if kept is None]
    if not all(each in rows.position for each in found) or (fresh and (not rows.judged or len(fresh) > FEW)):
        return None
    whole = {**found, **_judged(rows, fresh, question.drivers, horizon)}
    return Reply(rows, rows.snapshot.cutoff, horizon, tuple(kept for each in question.ids if (kept := whole[each])))


def ask(workspace: Workspace, champions: Champions, question: Question, caller: Caller) -> Reply:
    """Answer a question about what is stored.

    Raises
    ------
    ProblemError
        409 for a horizon that cannot be answered; 503 without a model, or while nothing is scored.
    """
    rows = champions.rows(question.kind)
    horizon = checked_horizon(rows.loaded, question.horizon)
    seen = visible(workspace, question.kind, question.ids, caller)
    there = [each for each in dict.fromkeys(question.ids) if each in seen and each in rows.position]
    absent = sorted({*question.ids} - {*there})
    kept = {each: found for each in there if (found := rows.fragments.get((each, horizon, question.drivers)))}
    with step("model"):
        made = _judged(rows, [each for each in there if each not in kept], question.drivers, horizon)
    said = _absent(workspace, rows, absent, seen, horizon) if absent else {}
    whole = {**kept, **made, **said}
    return Reply(rows, rows.snapshot.cutoff, horizon, tuple(whole[each] for each in question.ids))


def check_size(workspace: Workspace, noun: str, ids: Sequence[str]) -> None:
    """Refuse a call about more devices or customers than the service answers at once: 422."""
    most = workspace.settings.serving.max_devices
    if len(ids) > most:
        raise TOO_MANY.error(noun=noun, count=len(ids), most=most, hint="Split the request.")


def checked_horizon(loaded: Loaded, text: str | None) -> str:
    """Horizon to answer: the one asked for, else the usual one or the model's longest where that is shorter.

    Raises
    ------
    ProblemError
        409 if it is longer than the model's longest, or no duration.
    """
    return _checked_horizon(hazard_kind(loaded.kind).usual_horizon, tuple(loaded.metadata.horizons), text)


@lru_cache(maxsize=1000)
def _checked_horizon(usual: str, horizons: tuple[str, ...], text: str | None) -> str:
    longest = max(parse_duration_us(each) for each in horizons)
    if text is None:
        return format_duration(min(parse_duration_us(usual), longest))
    try:
        asked = parse_duration_us(text)
    except SettingsError as error:
        raise horizon_problem("The horizon is not a duration.", format_duration(longest)) from error
    if asked > longest:
        raise horizon_problem("The horizon is longer than the model's longest.", format_duration(longest))
    return text.strip()


def horizon_problem(detail: str, longest: str) -> ProblemError:
    """Problem of a horizon that cannot be answered."""
    hint = f"Write a number and a unit (m, h, d, w), at most {longest}."
    return UNKNOWN_HORIZON.error(detail=detail, hint=hint)


def _judged(rows: Rows, ids: Sequence[str], drivers: int, horizon: str) -> dict[str, Fragment]:
    """Answers about ids with a row, which are kept for the next who asks."""
    made = {}
    for each, forecast in rows.forecasts(ids, drivers).items():
        made[each] = fragment(rows.loaded, answer(forecast, horizon))
        rows.fragments.put((each, horizon, drivers), made[each])
    return made


def _absent(workspace: Workspace, rows: Rows, ids: Sequence[str], seen: set[str], horizon: str) -> dict[str, Fragment]:
    """Answers about ids without a row; an id that the caller does not see is as unknown as one that nobody has."""
    found = without_row(workspace, rows.snapshot, [each for each in ids if each in seen], horizon)
    hidden = {each: unknown(rows.snapshot.kind, each) for each in ids if each not in seen}
    return {each: fragment(rows.loaded, said) for each, said in {**found, **hidden}.items()}
