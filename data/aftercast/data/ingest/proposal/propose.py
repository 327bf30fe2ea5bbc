"""The proposal: from a path to a fleet spec, with what was assumed and what must be asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aftercast.data.contract import TABLES
from aftercast.data.fleet import AllFilesSettings, FeatureSettings, FleetSpec, TableSettings
from aftercast.data.ingest.files import Place, name_of
from aftercast.data.ingest.proposal.candidates import find_candidates
from aftercast.data.ingest.proposal.choosing import choose_tables
from aftercast.data.ingest.proposal.questions import NONE, Inquiry, Question, unanswered
from aftercast.data.ingest.proposal.settings import table_settings
from aftercast.data.ingest.proposal.telemetry import cadence_us, propose_windows
from aftercast.data.ingest.sources import tables
from aftercast.data.ingest.validation.parsing import parse_cells
from aftercast.operations.clocks import format_duration
from aftercast.operations.errors import InputError

EVENTS: Final = {
    "devices": ("telemetry", "faults", "failures", "repairs"),
    "customers": ("purchases", "contacts"),
}
"""Tables whose rows name the devices and the customers."""


@dataclass(frozen=True)
class Proposal:
    """What was made of a path.

    Attributes
    ----------
    fleet
        The fleet spec; whole only where no question is open.
    questions
        What must be answered first.
    assumed
        What was taken as so, a sentence each.
    """

    fleet: FleetSpec
    questions: tuple[Question, ...]
    assumed: tuple[str, ...]


def propose(place: Place, answers: Mapping[str, str]) -> Proposal:
    """Propose how the files at a place are read.

    Parameters
    ----------
    answers
        By the names of questions; see :class:`Question`.

    Raises
    ------
    InputError
        If nothing there can be read, or an answer is none of those possible.
    """
    candidates, refused = find_candidates(place)
    inquiry = Inquiry(answers)
    _refuse_unreadable(refused, inquiry)
    chosen = choose_tables(candidates, inquiry)
    settings = {name: table_settings(found, matched, inquiry) for name, (found, matched) in chosen.items()}
    settings |= _derived(settings, inquiry)
    name = name_of(place) if isinstance(place, str) else (place if place.is_dir() else place.parent).resolve().name
    unused = [each for each in candidates if each not in [found for found, _ in chosen.values()]]
    fleet = FleetSpec.model_validate(
        {
            "name": name,
            "files": _general(settings, [*refused, *(each.settings.file for each in unused)]),
            "tables": _own(settings),
        }
    )
    if inquiry.questions:
        return Proposal(fleet, tuple(inquiry.questions.values()), tuple(inquiry.assumed))
    for unused_answer in sorted(answers.keys() - inquiry.used):
        inquiry.assume(f"The answer '{unused_answer}' answers no question.")
    return Proposal(_drafted(place, fleet, settings, inquiry), (), tuple(inquiry.assumed))


def require_answers(proposal: Proposal, place: Place) -> FleetSpec:
    """Return the fleet spec of a proposal; raises InputError listing its open questions."""
    if proposal.questions:
        raise unanswered(proposal.questions, str(place) if isinstance(place, Path) else name_of(place))
    return proposal.fleet


def _refuse_unreadable(refused: Mapping[str, str], inquiry: Inquiry) -> None:
    """Raise InputError that tells why each file cannot be read, but for those that an answer leaves out."""
    told = [sentence for name, sentence in refused.items() if inquiry.given(name) != NONE]
    if told:
        name = next(iter(refused))
        hint = f'Mend them, or leave them out: --answers FILE with [answers] "{name}" = "{NONE}".'
        raise InputError(" ".join(told), hint)


def _derived(settings: Mapping[str, dict[str, Any]], inquiry: Inquiry) -> dict[str, dict[str, Any]]:
    """Devices and customers where there is no file of them but rows that name them."""
    found: dict[str, dict[str, Any]] = {}
    for owner, events in EVENTS.items():
        naming = [name for name in events if name in settings]
        if owner not in settings and naming:
            found[owner] = {"derived_from": naming}
            if owner == "devices":
                found[owner]["fixed"] = {"device_model": inquiry.given("devices.device_model") or "device"}
            since = (
                "of model 'device', installation date and age unknown"
                if owner == "devices"
                else "since their first event"
            )
            inquiry.assume(f"No file of {owner}: those that {' and '.join(naming)} name, {since}.")
    if not settings and not inquiry.questions:
        raise InputError("No file there looks like a table.", f"Tables: {', '.join(TABLES)}.")
    return found


LOOKED_AT: Final = frozenset({"found_units", "flags"})
"""What was seen of telemetry that is no setting of a table."""


def _general(settings: Mapping[str, dict[str, Any]], left_out: list[str]) -> dict[str, Any]:
    general: dict[str, Any] = {}
    zones = {own["zone"] for own in settings.values() if "zone" in own}
    if len(zones) == 1:
        general["zone"] = zones.pop()
    ignored = sorted({Path(name).parts[0] for name in left_out if name})
    used = {Path(own["file"]).parts[0] for own in settings.values() if own.get("file")}
    general["ignore"] = [name for name in ignored if name not in used]
    return AllFilesSettings.model_validate(general).model_dump()


def _own(settings: Mapping[str, dict[str, Any]]) -> dict[str, TableSettings]:
    zones = {own["zone"] for own in settings.values() if "zone" in own}
    left_out = LOOKED_AT | ({"zone"} if len(zones) == 1 else set())
    return {
        name: TableSettings.model_validate({key: value for key, value in own.items() if key not in left_out})
        for name, own in settings.items()
    }


def _drafted(place: Place, fleet: FleetSpec, settings: Mapping[str, dict[str, Any]], inquiry: Inquiry) -> FleetSpec:
    """Fleet spec with sensors, components and codes as an import would draft them, and windows that fit telemetry."""
    draft = tables.draft(place, fleet)
    units = settings.get("telemetry", {}).get("found_units", {})
    flags = set(settings.get("telemetry", {}).get("flags", ()))
    sensors = tuple(
        sensor.model_copy(update={"unit": units.get(sensor.name, sensor.unit)})
        for sensor in draft.sensors
        if sensor.name not in flags
    )
    update: dict[str, Any] = {
        "sensors": sensors,
        "components": draft.components,
        "fault_codes": draft.fault_codes,
        "failures_from": draft.failures_from,
        "churn": draft.churn,
    }
    windows = _windows(place, fleet, inquiry) if "telemetry" in settings else None
    return fleet.model_copy(update=update | ({} if windows is None else {"features": windows}))


def _windows(place: Place, fleet: FleetSpec, inquiry: Inquiry) -> FeatureSettings | None:
    frame = tables.first_rows("telemetry", place, fleet)
    times = parse_cells(frame["event_time"], "time").values
    every = cadence_us(frame["device_id"], times)
    if every is None:
        return None
    delay_s = fleet.delay("telemetry").total_seconds()
    if "available_at" in frame.columns:
        late = (parse_cells(frame["available_at"], "time").values - times).dropna().dt.total_seconds()
        delay_s = float(late.median()) if len(late) > 0 else delay_s
    delay_us = max(0, round(delay_s * 1e6))
    proposed = propose_windows(every, delay_us)
    if proposed is not None:
        inquiry.assume(
            f"telemetry: a reading every {format_duration(every)}, known {format_duration(delay_us)} later; "
            f"windows are {', '.join(proposed.windows)}."
        )
    return proposed
