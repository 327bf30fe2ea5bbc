"""Answers about devices with records that come along in the call: features by the same views, nothing stored."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
import pandas as pd

from aftercast.data.contract import Kind
from aftercast.data.ingest import IMPOSSIBLE, CheckedRecords, Refused, as_stored, check_records, without_conflicts
from aftercast.data.workspace import Workspace
from aftercast.features.history import AttributeKind
from aftercast.features.views.attributes import CONTRACT
from aftercast.models.scoring.impossible_readings import cells_of, sensors_before
from aftercast.models.scoring.scoring import score_rows
from aftercast.models.scoring.snapshot import Snapshot
from aftercast.models.scoring.what_if import live_rows
from aftercast.models.words.answers import Answer, answer, not_judged
from aftercast.operations.clocks import AHEAD, from_us
from aftercast.serving.errors import ProblemError
from aftercast.serving.model_holder import Champions
from aftercast.serving.predictions import Question, Reply, ask, checked_horizon, instant, not_observed, rows_at, visible
from aftercast.serving.principals import Caller
from aftercast.serving.response_cache import Fragment, Rows
from aftercast.serving.serialization import Unanswered, fragment
from aftercast.serving.tracing import step

NO_COLUMN: Final = "unknown_column"
MOST_STRANGE: Final = 20
"""Fields of a device that no table uses, of which it is told."""
NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
KINDS: Final[dict[AttributeKind, Kind]] = {"number": "float", "category": "text"}


def ask_live(workspace: Workspace, champions: Champions, question: Question, caller: Caller) -> Reply:
    """Answer a question in which records of some devices come along; the others are answered as always.

    Without ``as_of`` the cutoff of a device with records is that of its row, or the instant at which its newest record
    became known if that is later; what others send along does not move it.

    Raises
    ------
    ProblemError
        422 for too many records, 409 for a device twice, and what :func:`ask` raises.
    """
    _check(workspace, question)
    checked_horizon(champions.champion(question.kind), question.horizon)  # before rows are made at some expense
    sent = _checked(workspace, champions, question)
    allowed = _allowed(workspace, list(question.sent), sent, caller)
    rows = _base(workspace, champions, question, sent, allowed)
    horizon = checked_horizon(rows.loaded, question.horizon)  # the champion may have changed in between
    cutoffs = _cutoffs(question, sent, rows, allowed)
    imported = _imported(workspace, sent.undated) if sent.undated else set()
    dated = sent.with_facts_at({each: at for each, at in cutoffs.items() if each in imported})
    found = _answers(workspace, rows, question, dated, cutoffs=cutoffs, horizon=horizon)
    plain = [each for each in question.ids if each not in question.sent]
    others: dict[str, Fragment] = {}
    if plain:
        asked = Question(question.kind, plain, question.horizon, question.drivers, question.as_of)
        reply = ask(workspace, champions, asked, caller)
        if reply.rows.loaded.run_id != rows.loaded.run_id:  # the champion changed in between
            return ask_live(workspace, champions, question, caller)
        others = dict(zip(plain, reply.fragments, strict=True))
    return Reply(
        rows, _newest(question, rows, cutoffs), horizon, tuple({**found, **others}[each] for each in question.ids)
    )


@dataclass(frozen=True)
class _Sent:
    """Checked records: contract rows by table, and what was refused of each device.

    Attributes
    ----------
    undated
        Devices whose facts do not say since when they hold.
    impossible
        Cells that hold impossible values: device_id, event_time, available_at, column.
    """

    frames: Mapping[str, pd.DataFrame]
    undated: frozenset[str]
    refused: Mapping[str, tuple[Refused, ...]]
    impossible: pd.DataFrame

    @cached_property
    def newest(self) -> Mapping[str, pd.Timestamp]:
        """When the newest record of each device became known (UTC); facts that will hold later are not known yet."""
        now = pd.Timestamp.now("UTC") + AHEAD
        found: dict[str, pd.Timestamp] = {}
        for frame in self.frames.values():
            if len(frame) > 0:
                known = frame[frame["available_at"] <= now].groupby("device_id")["available_at"].max()
                found |= {str(each): max(moment, found.get(str(each), moment)) for each, moment in known.items()}
        return found

    def with_facts_at(self, cutoffs: Mapping[str, pd.Timestamp]) -> _Sent:
        """Facts of imported devices that do not say since when they hold, dated to the cutoff: they are newer ones."""
        facts = self.frames.get("devices")
        newer = self.undated & cutoffs.keys()
        if facts is None or len(facts) == 0 or not newer:
            return self
        at = facts["device_id"].map(dict(cutoffs)).astype(facts["available_at"].dtype)
        first = facts.groupby("device_id")["available_at"].transform("min") == facts["available_at"]
        known = facts["device_id"].isin(newer) & (first | (facts["available_at"] <= at))
        last = facts[known].sort_values("available_at", kind="stable").drop_duplicates("device_id", keep="last")
        dated = pd.concat([facts[~known], last.assign(available_at=at[last.index])], ignore_index=True)
        return replace(self, frames={**self.frames, "devices": dated})


def _check(workspace: Workspace, question: Question) -> None:
    most = workspace.settings.serving.max_records
    count = sum(len(rows) for records in question.sent.values() for rows in records.values())
    if count > most:
        raise ProblemError(
            422,
            "too-many-records",
            "Too many records in one call",
            f"The request brings {count} records, the service reads {most} a call.",
            "Send fewer devices or a shorter time, or raise serving.max_records.",
        )
    if any(question.ids.count(each) > 1 for each in question.sent):
        raise ProblemError(
            409,
            "device-twice",
            "A device with records is asked about twice",
            "A device that brings records may occur once in a call.",
            "Put all its records into one item.",
        )


def _checked(workspace: Workspace, champions: Champions, question: Question) -> _Sent:
    """Check the records of all devices, one table after the other; an id with spaces around it is nobody's."""
    dictionary = champions.rows(question.kind, None).snapshot.dictionary
    attributes = {
        each.name: KINDS[each.kind] for each in dictionary if each.view == "attributes" and each.name not in CONTRACT
    }
    refused: dict[str, list[Refused]] = {each: [] for each in question.sent}
    ids = list(question.sent)
    named = {each: question.sent[each] for each, id_ in zip(ids, as_stored(ids), strict=True) if each == id_}
    facts = {each: records.get("devices", ()) for each, records in named.items()}
    undated = frozenset(each for each, rows in facts.items() if any(row.get("available_at") is None for row in rows))
    frames, impossible = {}, [cells_of([], [], workspace.fleet)]
    known, now = {"device_id": set(named)}, pd.Timestamp.now("UTC")
    for table in sorted({name for records in named.values() for name in records}):
        owners, places, rows = _pooled(named, table)
        taken = attributes if table == "devices" else None
        checked = check_records(table, rows, workspace.fleet, known, taken, now=now)
        settled = without_conflicts(workspace.store, checked, undated if table == "devices" else frozenset())
        frames[table] = settled.frame
        _share_out(settled, owners, places, refused)
        cells = [each for each in checked.refused if each.reason == IMPOSSIBLE]
        impossible.append(
            cells_of([rows[each.row] for each in cells], [each.column for each in cells], workspace.fleet)
        )
    told = {each: tuple(found) for each, found in refused.items()}
    return _Sent(frames, undated, told, pd.concat([each for each in impossible if len(each) > 0] or impossible[:1]))


def _pooled(
    sent: Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]], table: str
) -> tuple[list[str], list[int], list[dict[str, Any]]]:
    """Records of a table of all devices: whose each is, where it stood among its own, and the record."""
    owners, places, rows = [], [], []
    for device_id, records in sent.items():
        for place, row in enumerate(records.get(table, ())):
            owners.append(device_id)
            places.append(place)
            rows.append({**row, "device_id": device_id})
    return owners, places, rows


def _share_out(
    checked: CheckedRecords,
    owners: Sequence[str],
    places: Sequence[int],
    refused: Mapping[str, list[Refused]],
) -> None:
    first = {(owners[i], name): i for i, name in reversed(checked.strange)}  # a misspelt name may be in every record
    told = Counter[str]()
    for (owner, name), i in sorted(first.items(), key=lambda each: each[1]):
        told[owner] += 1
        if told[owner] > MOST_STRANGE:
            continue
        refused[owner].append(Refused(checked.table, places[i], NO_COLUMN, _shown(name), cell_only=True))
    for each in checked.refused:
        owner = owners[each.row]
        refused[owner].append(Refused(each.table, places[each.row], each.reason, each.column, each.cell_only))


def _shown(name: str) -> str:
    """Name of a field as it is told; empty where it looks like no name."""
    return name if NAME.fullmatch(name) else ""


def _base(
    workspace: Workspace, champions: Champions, question: Question, sent: _Sent, allowed: Collection[str]
) -> Rows:
    """Rows of the fleet to compare with: those of as_of where the data reach that far, else the last scoring's."""
    if question.as_of is None:
        return champions.rows(question.kind, None)
    until, cutoff = workspace.store.observed_until(), instant(question.as_of)
    if until is None or cutoff <= until:
        return rows_at(workspace, champions, question.kind, question.as_of)
    newest = [moment for each, moment in sent.newest.items() if each in allowed]
    if cutoff > max(newest, default=until):
        raise not_observed(until)
    return champions.rows(question.kind, None)


def _cutoffs(question: Question, sent: _Sent, rows: Rows, allowed: Collection[str]) -> dict[str, pd.Timestamp]:
    """Cutoff of each device that is answered: its row's, or when its newest record became known if that is later."""
    if question.as_of is not None:
        return dict.fromkeys(allowed, instant(question.as_of))
    found = {}
    for each in allowed:
        place = rows.position.get(each)
        own = rows.snapshot.cutoff if place is None else from_us(rows.snapshot.cutoff_us[place : place + 1])[0]
        found[each] = max(rows.snapshot.cutoff, own, sent.newest.get(each, own))
    return found


def _newest(question: Question, rows: Rows, cutoffs: Mapping[str, pd.Timestamp]) -> pd.Timestamp:
    """Cutoff of the whole answer: the latest of those answered, whatever came along for others."""
    plain = rows.snapshot.cutoff if question.as_of is None else instant(question.as_of)
    return max(cutoffs.values(), default=plain)


def _answers(
    workspace: Workspace,
    rows: Rows,
    question: Question,
    sent: _Sent,
    *,
    cutoffs: Mapping[str, pd.Timestamp],
    horizon: str,
) -> dict[str, Fragment]:
    allowed, at = list(cutoffs), _newest(question, rows, cutoffs)
    with step("features"):
        until = pd.Timestamp.now("UTC") + AHEAD if question.as_of is None else instant(question.as_of)
        live = _live(workspace, rows.snapshot, allowed, sent, cutoffs, at=at, until=until)
    with step("model"):
        scored = score_rows(rows.loaded, live, workspace.fleet, usual=rows.usual, top=question.drivers)
    out = {}
    for each in question.sent:
        said: Answer | Unanswered
        if each not in allowed:
            hint = "Import it, correct the id, or send its facts along (device_model, installed_at)."
            said = Unanswered(each, "unknown_device", "The device is not known.", hint)
        elif each in scored.position:
            said = answer(scored.score(scored.position[each], question.drivers), horizon)
        else:
            reason = f"the device was not in the field at {cutoffs[each]:%Y-%m-%d %H:%M} UTC"
            said = not_judged("failure", each, cutoffs[each], horizon, reason)
        out[each] = fragment(rows.loaded, said, sent.refused[each])
    return out


def _live(
    workspace: Workspace,
    fleet: Snapshot,
    ids: Sequence[str],
    sent: _Sent,
    cutoffs: Mapping[str, pd.Timestamp],
    *,
    at: pd.Timestamp,
    until: pd.Timestamp,
) -> Snapshot:
    """Rows of devices, each as if it were the only one; impossible values count that were known until an instant."""
    spec = workspace.fleet
    impossible: dict[str, tuple[str, ...]] = {}
    for each, cells in sent.impossible.groupby("device_id"):
        impossible |= sensors_before(cells, spec, cutoffs[str(each)], until=until)
    return live_rows(
        workspace.store,
        spec,
        fleet,
        ids,
        at,
        own_cutoffs=cutoffs,
        sent=sent.frames,
        impossible=impossible,
        each_alone=True,
    )


def _imported(workspace: Workspace, ids: Collection[str]) -> set[str]:
    stored = workspace.store.read("devices", columns=["device_id"], device_ids=sorted(ids))
    return set(stored["device_id"])


def _allowed(workspace: Workspace, ids: Sequence[str], sent: _Sent, caller: Caller) -> list[str]:
    """Devices that are stored, or whose facts came along; of the outlets that the caller may see."""
    known = _imported(workspace, ids)
    theirs = known if caller.outlets is None else set(visible(workspace, "failure", sorted(known), caller))
    facts = sent.frames.get("devices")
    if facts is not None and len(facts) > 0:
        new = facts[~facts["device_id"].isin(known)]
        seen = [caller.sees_outlet(None if pd.isna(each) else str(each)) for each in new["outlet_id"]]
        theirs = theirs | set(new.loc[np.array(seen, dtype=bool), "device_id"])
    return [each for each in ids if each in theirs]
