"""How the times of a table are written, in which zone, and when its rows can be known."""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from aftercast.data.contract import TABLES
from aftercast.data.ingest.proposal.candidates import Candidate
from aftercast.data.ingest.proposal.contents import Content
from aftercast.data.ingest.proposal.matching import Match
from aftercast.data.ingest.proposal.questions import Inquiry, Question
from aftercast.operations.errors import InputError


def clock_settings(candidate: Candidate, found: Match, inquiry: Inquiry) -> dict[str, str]:
    """``time_format``, ``zone`` and ``available_after`` of a table, as far as its cells and the answers give them."""
    table = TABLES[found.table]
    columns = {
        name: candidate.contents[raw]
        for name, raw in found.columns.items()
        if (column := table.column(name)) is not None
        and column.kind in {"time", "date"}
        and len(candidate.contents[raw].held) > 0
    }
    if not columns:
        return {}
    settings: dict[str, str] = {}
    time_format = _format(found.table, columns, inquiry)
    if time_format:
        settings["time_format"] = time_format
    instants = {name: content for name, content in columns.items() if name != "date"}
    if any(not content.has_zone(time_format) for content in instants.values()):
        zone = _zone(found, candidate, instants, inquiry)
        if zone is not None:
            settings["zone"] = zone
    delay = _delay(found, columns, time_format, inquiry)
    if delay is not None:
        settings["available_after"] = delay
    return settings


def _format(table: str, columns: dict[str, Content], inquiry: Inquiry) -> str:
    """Format of the times that are not ISO 8601; empty where all are, or where it is asked."""
    name = f"{table}.time_format"
    for column, content in columns.items():
        example = str(content.held.iloc[0])
        if not content.formats and content.epoch:
            text = f"Times of {table} look like numbers: is {column} '{example}' counted in seconds or milliseconds?"
            return inquiry.ask(Question(name, f"{text} Since 1970, UTC.", (content.epoch,))) or ""
        if len(content.formats) > 1:
            text = f"Day or month first in {table}, {column} '{example}'? No day after the 12th tells."
            return inquiry.ask(Question(name, text, content.formats)) or ""
        if content.formats and content.formats[0]:
            inquiry.assume(f"{table}: times are written {content.formats[0]}, as in '{example}'.")
            return content.formats[0]
    return ""


def _zone(found: Match, candidate: Candidate, columns: dict[str, Content], inquiry: Inquiry) -> str | None:
    own = inquiry.given(f"{found.table}.zone")
    if own is not None:
        check_zone(own)
        return own
    column, content = next(iter(columns.items()))
    text = (
        f"In which zone are times without one, as '{content.held.iloc[0]}' of {candidate.name}, column "
        f"'{found.columns[column]}'? (For one table only: {found.table}.zone.)"
    )
    return inquiry.ask(Question("zone", text, example="Europe/Berlin"), check_zone)


def check_zone(name: str) -> None:
    """Raise InputError for what is no zone."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InputError(f"'{name}' is no zone.", "Write it as Europe/Berlin, Asia/Shanghai or UTC.") from error


def _delay(found: Match, columns: dict[str, Content], time_format: str, inquiry: Inquiry) -> str | None:
    """Events dated by the day alone are known when it is over; of daily telemetry nobody can tell."""
    table = TABLES[found.table]
    if table.event_time is None or table.event_time not in columns or "available_at" in found.columns:
        return None
    if not columns[table.event_time].is_day_only(time_format):
        return None
    if found.table != "telemetry":
        inquiry.assume(f"{found.table}: dated by the day, so known when the day is over (available_after 24h).")
        return "24h"
    text = (
        "Telemetry is stamped 00:00 of a day. Does a row tell of the day that begins then (known 24h later), or of the "
        "day that ended (0h)?"
    )
    return inquiry.ask(Question("telemetry.available_after", text, ("24h", "0h")))
