"""Settings of one table: its columns, values, units and clocks, from its cells and the answers."""

from __future__ import annotations

from typing import Any

import pandas as pd

from aftercast.data.contract import TABLES
from aftercast.data.ingest.proposal.candidates import Candidate
from aftercast.data.ingest.proposal.clocks import clock_settings
from aftercast.data.ingest.proposal.matching import SPARE, Match
from aftercast.data.ingest.proposal.names import words
from aftercast.data.ingest.proposal.questions import NONE, Inquiry, Question
from aftercast.data.ingest.proposal.telemetry import is_flag, split_unit
from aftercast.data.ingest.proposal.words import WORDS, map_word
from aftercast.data.ingest.sources.derived import NUMBERED
from aftercast.data.ingest.sources.telemetry_shapes import LONG, find_sensor_column
from aftercast.operations.errors import InputError
from aftercast.operations.spelling import suggestion

CONTESTED = ("component", "device_id", "customer_id")
"""Columns of which a wrong one would spoil every forecast: asked about where several are alike."""


MOST_COMPONENTS = 200
"""A column of more different words names no parts."""
GENERIC = frozenset({("id",), ("no",), ("number",), ("name",), ("编号",), ("序号",)})


def table_settings(candidate: Candidate, found: Match, inquiry: Inquiry) -> dict[str, Any]:
    """Settings of a table as ``[tables.TABLE]`` writes them; with ``found_units`` and ``flags`` of telemetry."""
    settings = _place(candidate, found)
    columns = _columns(candidate, found, inquiry)
    found = Match(found.table, found.score, columns, found.rivals)
    if found.table == "telemetry":
        settings |= _telemetry(candidate, columns, inquiry)
    settings |= _filled(candidate, found, inquiry)
    settings |= clock_settings(candidate, found, inquiry)
    settings |= _style(candidate, found, inquiry)
    missing = sorted({word for content in candidate.contents.values() for word in content.missing_words})
    if missing:
        settings["missing"] = missing
        inquiry.assume(f"{found.table}: {', '.join(map(repr, missing))} stands for a missing value, as among numbers.")
    values = _values(candidate, found, inquiry)
    if values:
        settings["values"] = values
    settings["columns"] = {name: raw for name, raw in columns.items() if name != raw}
    return settings


def _place(candidate: Candidate, found: Match) -> dict[str, Any]:
    own = candidate.settings
    place = {"file": own.file, "sheet": own.sheet, "query": own.query}
    if candidate.named_table == found.table and not own.query and "/" not in own.file and not own.sheet:
        place["file"] = ""  # named like the table: found by that
    return {key: value for key, value in place.items() if value}


def _columns(candidate: Candidate, found: Match, inquiry: Inquiry) -> dict[str, str]:
    """Column of the file for each of the contract, by the answers, else as matched, else asked."""
    columns = dict(found.columns)
    names = tuple(candidate.contents)
    listed = [column.name for column in TABLES[found.table].columns]
    for name in [*listed, *(LONG if found.table == "telemetry" else ())]:
        answer = inquiry.given(f"{found.table}.{name}")
        if answer == NONE:
            columns.pop(name, None)
        elif answer in names:
            columns = {key: raw for key, raw in columns.items() if raw != answer} | {name: str(answer)}
        elif answer is not None and name not in SPARE.get(found.table, ()):
            raise InputError(
                f"'{answer}' is no column of {candidate.name}, for {found.table}.{name}.",
                suggestion(answer, names, "Columns"),
            )
    for name in CONTESTED:
        rivals = [raw for raw in found.rivals.get(name, ()) if raw not in columns.values() or raw == columns.get(name)]
        if len(rivals) > 1 and inquiry.given(f"{found.table}.{name}") is None:
            told = ", ".join(f"{raw} ({candidate.contents[raw].held.nunique():,} values)" for raw in rivals)
            text = f"Which column of {candidate.name} is the {name} of {found.table}: {told}?"
            inquiry.ask(Question(f"{found.table}.{name}", text, (*rivals, NONE)))
    _take_generic(candidate, found.table, columns, inquiry)
    _ask_absent(candidate, Match(found.table, found.score, columns, found.rivals), inquiry)
    return columns


def _take_generic(candidate: Candidate, table: str, columns: dict[str, str], inquiry: Inquiry) -> None:
    """Take the one column that is called no more than id as that of the device or customer, if none else is."""
    free = [raw for raw in candidate.contents if raw not in columns.values() and words(raw) in GENERIC]
    for name in ("device_id", "customer_id"):
        if name in TABLES[table].required and name not in columns and len(free) == 1:
            columns[name] = free[0]
            inquiry.assume(f"{table}: '{free[0]}' is the {name}.")


def _ask_absent(candidate: Candidate, found: Match, inquiry: Inquiry) -> None:
    free = tuple(raw for raw in candidate.contents if raw not in found.columns.values())
    for name in found.absent:
        column = TABLES[found.table].column(name)
        about = "" if column is None else f" ({column.about})"
        text = f"{candidate.name}: table {found.table} needs {name}{about}. Which column is it?"
        inquiry.ask(Question(f"{found.table}.{name}", text, free or (NONE,)))


def _filled(candidate: Candidate, found: Match, inquiry: Inquiry) -> dict[str, Any]:
    """Columns that the file lacks and that can be filled in."""
    settings: dict[str, Any] = {}
    number = NUMBERED.get(found.table)
    if number is not None and number not in found.columns:
        settings["numbered"] = True
        inquiry.assume(f"{found.table}: rows have no {number}; numbered by device or customer and time.")
    fixed: dict[str, str] = {}
    for name in SPARE.get(found.table, ()):
        if name not in found.columns:
            fixed[name] = _fixed(candidate, found, name, inquiry)
    if found.table == "devices" and "installed_at" not in found.columns:
        inquiry.assume("devices: no installation date, so that age is unknown.")
    return settings | ({"fixed": fixed} if fixed else {})


def _fixed(candidate: Candidate, found: Match, name: str, inquiry: Inquiry) -> str:
    column = TABLES[found.table].column(name)
    key = f"{found.table}.{name}"
    if column is not None and column.choices is not None:
        text = f"No column of {candidate.name} says the {name} of {found.table}. What are all rows?"
        return inquiry.ask(Question(key, text, column.choices)) or column.choices[0]
    given = inquiry.given(key)
    if name == "component" and given is None:
        few = [raw for raw in _free_text(candidate, found) if candidate.contents[raw].held.nunique() <= MOST_COMPONENTS]
        if few:
            text = f"Which column of {candidate.name} names the part that failed?"
            given = inquiry.ask(Question(key, text, (*few, NONE)))
    value = "device" if given in {None, NONE} else str(given)
    inquiry.assume(f"{found.table}: no column says the {name}; all rows have '{value}'.")
    return value


def _free_text(candidate: Candidate, found: Match) -> list[str]:
    """Columns of words that stand for nothing yet."""
    return [
        raw
        for raw, content in candidate.contents.items()
        if raw not in found.columns.values() and len(content.held) > 0 and not content.is_number and not content.is_time
    ]


def _values(candidate: Candidate, found: Match, inquiry: Inquiry) -> dict[str, dict[str, str]]:
    """Words of the file for the values that the contract lists."""
    mapped: dict[str, dict[str, str]] = {}
    for (table, name), known in WORDS.items():
        raw = found.columns.get(name)
        if table != found.table or raw is None:
            continue
        content = candidate.contents[raw]
        counts = candidate.sample[raw].astype("str").str.strip().value_counts()
        for word in content.held:
            value = word if word in known else inquiry.given(f"{table}.{name}.{word}") or map_word(word, (table, name))
            if value is None:
                text = f"What is {name} '{word}' of {table} ({int(counts.get(word, 0)):,} rows of {candidate.name})?"
                value = inquiry.ask(Question(f"{table}.{name}.{word}", text, (*known, NONE)))
            elif value != word and value not in {*known, NONE}:
                raise InputError(f"'{value}' is no {name}.", suggestion(value, known, "Values"))
            if value not in {None, word, NONE}:
                mapped.setdefault(name, {})[str(word)] = str(value)
    for name, meant in mapped.items():
        said = ", ".join(f"{word} = {value}" for word, value in meant.items())
        inquiry.assume(f"{found.table}: {name} {said}.")
    return mapped


def _style(candidate: Candidate, found: Match, inquiry: Inquiry) -> dict[str, str]:
    """Decimal sign, where the cells prove none of several."""
    if len(candidate.styles) > 1:
        text = f"Numbers of {candidate.name}: does a comma, as in 1,234, stand before decimals or between thousands?"
        answer = inquiry.ask(Question(f"{found.table}.comma", text, ("decimals", "thousands")))
        return {} if answer is None else {"decimal": ","} if answer == "decimals" else {"thousands": ","}
    decimal, thousands = candidate.styles[0]
    if (decimal, thousands) != (".", ""):
        between = f", '{thousands}' between thousands" if thousands else ""
        inquiry.assume(f"{candidate.name}: numbers have '{decimal}' before decimals{between}.")
        return {"decimal": decimal, "thousands": thousands}
    return {}


def _telemetry(candidate: Candidate, columns: dict[str, str], inquiry: Inquiry) -> dict[str, Any]:
    """Shape, units and flags; may add to the columns."""
    renamed = candidate.sample.rename(columns={raw: name for name, raw in columns.items()})
    if set(LONG) <= columns.keys():
        inquiry.assume(f"{candidate.name}: a row per sensor ('{columns['sensor']}').")
        return {}
    sensor = find_sensor_column(renamed)
    if sensor is not None:
        return _long(candidate, sensor, columns, inquiry)
    units, flags = {}, []
    for raw, content in candidate.contents.items():
        if raw in columns.values() or not content.is_number:
            continue
        name, unit = split_unit(raw)
        if unit and name not in renamed.columns and name not in columns:
            columns[name] = raw
            units[name] = unit
        if is_flag(raw, pd.Series(content.held)):
            flags.append(raw)
    if units:
        inquiry.assume("telemetry: units from the headers: " + ", ".join(f"{n} in {u}" for n, u in units.items()) + ".")
    if flags:
        inquiry.assume(f"telemetry: {', '.join(flags)} look like the failure itself and are no sensors.")
    return {"found_units": units, "flags": flags}


def _long(candidate: Candidate, sensor: str, columns: dict[str, str], inquiry: Inquiry) -> dict[str, Any]:
    """A device has several rows at one instant that differ in one column."""
    numeric = [raw for raw, content in candidate.contents.items() if content.is_number]
    free = tuple(raw for raw in numeric if raw not in columns.values() and raw != sensor)
    value = free[0] if len(free) == 1 else None
    if value is None and free:
        text = f"{candidate.name} has a row per '{sensor}'. Which column holds the reading?"
        value = inquiry.ask(Question("telemetry.value", text, free))
    if value is not None:
        columns |= {"sensor": sensor, "value": value}
        inquiry.assume(f"{candidate.name}: a row per sensor, named by '{sensor}', reading in '{value}'.")
    return {}
