"""What if this had been imported: the answer about one device with records that come in the call; nothing is stored."""

from __future__ import annotations

from typing import Final

import pandas as pd

from aftercast.data.ingest import as_stored
from aftercast.data.workspace import Workspace
from aftercast.models.scoring.fleet import forecast_rows_of
from aftercast.models.scoring.impossible_readings import sensors_before
from aftercast.models.scoring.what_if import rows_of_devices
from aftercast.models.words.answers import Answer, answer, not_judged
from aftercast.operations.clocks import AHEAD, from_us
from aftercast.serving.absent import Unanswered
from aftercast.serving.model_holder import Champions
from aftercast.serving.predictions import Question, Records, Reply, checked_horizon
from aftercast.serving.principals import Caller
from aftercast.serving.problems import ONE_DEVICE_WITH_RECORDS, TOO_MANY
from aftercast.serving.response_cache import Rows
from aftercast.serving.serialization import fragment
from aftercast.serving.tenancy import visible
from aftercast.serving.tracing import step
from aftercast.serving.what_if_records import DeviceRecords, check_device_records

UNKNOWN_HINT: Final = "Import it, correct the id, or send its facts (device_model, installed_at) in the call."


def ask_what_if(workspace: Workspace, champions: Champions, question: Question, caller: Caller) -> Reply:
    """Answer a question about one device that brings records.

    The cutoff is that of the device's row, or the instant at which its newest record became known if that is later.

    Raises
    ------
    ProblemError
        422 for several devices or too many records, and what :func:`aftercast.serving.predictions.ask` raises.
    """
    device_id, records = _only_device(workspace, question)
    rows = champions.rows(question.kind)
    horizon = checked_horizon(rows.loaded, question.horizon)
    if as_stored([device_id]) != [device_id]:  # the checks would read its records as those of the trimmed id
        return _reply(rows, rows.snapshot.cutoff, horizon, _unknown(device_id))
    sent = check_device_records(workspace, rows.snapshot.dictionary, device_id, records)
    stored = len(workspace.store.read("devices", columns=["device_id"], device_ids=[device_id])) > 0
    if stored:
        theirs = device_id in visible(workspace, "failure", [device_id], caller)
    else:  # described by its facts, in an outlet that the caller sees
        theirs = any(caller.sees_outlet(outlet) for outlet in sent.facts.get("outlet_id", ()))
    if not theirs:
        return _reply(rows, rows.snapshot.cutoff, horizon, _unknown(device_id))
    cutoff = _cutoff(rows, device_id, sent)
    dated = sent.with_facts_at(cutoff) if stored else sent
    said = _answer(workspace, rows, question, dated, cutoff=cutoff, horizon=horizon)
    return _reply(rows, cutoff, horizon, said, sent)


def _only_device(workspace: Workspace, question: Question) -> tuple[str, Records]:
    if len(question.ids) != 1:
        raise ONE_DEVICE_WITH_RECORDS.error(count=len(question.ids))
    records = question.sent or {}
    most, count = workspace.settings.serving.max_records, sum(len(rows) for rows in records.values())
    if count > most:
        raise TOO_MANY.error(noun="record", count=count, most=most, hint="Send a shorter time.")
    return question.ids[0], records


def _unknown(device_id: str) -> Unanswered:
    return Unanswered(device_id, "unknown_device", "The device is not known.", UNKNOWN_HINT)


def _cutoff(rows: Rows, device_id: str, sent: DeviceRecords) -> pd.Timestamp:
    place = rows.position.get(device_id)
    own = rows.snapshot.cutoff if place is None else from_us(rows.snapshot.cutoff_us[place : place + 1])[0]
    return max(rows.snapshot.cutoff, own, sent.newest() or own)


def _answer(
    workspace: Workspace,
    rows: Rows,
    question: Question,
    sent: DeviceRecords,
    *,
    cutoff: pd.Timestamp,
    horizon: str,
) -> Answer:
    spec = workspace.fleet
    (device_id,) = question.ids
    impossible = sensors_before(sent.impossible, spec, cutoff, until=pd.Timestamp.now("UTC") + AHEAD)
    with step("features"):
        row = rows_of_devices(
            workspace.store, spec, rows.snapshot, [device_id], cutoff, sent=sent.frames, impossible=impossible
        )
    if len(row.ids) == 0:
        reason = f"the device was not in the field at {cutoff:%Y-%m-%d %H:%M} UTC"
        return not_judged(question.kind, device_id, cutoff, horizon, reason)
    with step("model"):
        judged = forecast_rows_of(rows.loaded, row, spec, usual=rows.usual, top=question.drivers)
        return answer(judged.forecast(0, question.drivers), horizon)


def _reply(
    rows: Rows, cutoff: pd.Timestamp, horizon: str, said: Answer | Unanswered, sent: DeviceRecords | None = None
) -> Reply:
    refused = () if sent is None else sent.refused
    return Reply(rows, cutoff, horizon, (fragment(rows.loaded, said, refused),))
