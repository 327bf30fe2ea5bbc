"""One device: its facts, the size of its history, its latest risk."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final

import pandas as pd
from fastapi import APIRouter, Path, Request

from aftercast.data.contract import TABLES
from aftercast.models.registry.versions import Loaded
from aftercast.models.words.answers import Answer, answer
from aftercast.operations.clocks import format_duration
from aftercast.operations.errors import NotFoundError
from aftercast.serving.absent import Unanswered, without_row
from aftercast.serving.deps import MAY_PREDICT, CallerDep, Service, ServiceDep
from aftercast.serving.errors import ProblemError, request_id_of
from aftercast.serving.predictions import checked_horizon
from aftercast.serving.principals import Caller
from aftercast.serving.refusals import refusals
from aftercast.serving.serialization import PREDICTION, finite_values, risk_values
from aftercast.serving.wire.common import finite
from aftercast.serving.wire.device import DeviceAnswer, Fact, RiskByHorizon

router = APIRouter(tags=["devices"], dependencies=[MAY_PREDICT])

HISTORY: Final = tuple(name for name, table in TABLES.items() if table.event_time and table.has("device_id"))
TOP_DRIVERS: Final = 5
KIND: Final = "failure"
"""Kind whose risk the page of a device shows."""
DEVICE: Final = "device"
"""Event of a device's facts without a risk, in the audit log."""
DeviceId = Annotated[str, Path(min_length=1, max_length=200, examples=["D0017"])]


@router.get("/v1/devices/{device_id:path}", summary="What is known of a device?", responses=refusals(404, 422))
def device(request: Request, service: ServiceDep, caller: CallerDep, device_id: DeviceId) -> DeviceAnswer:
    """Return the newest facts of a device, the size of its history and its latest risk."""
    rows = service.workspace.store.read("devices", device_ids=[device_id])
    if rows.empty or not caller.sees_outlet(rows.iloc[-1]["outlet_id"]):
        raise NotFoundError("The device is not known.", "Import it, or correct the id.")
    last = rows.iloc[-1]
    facts = {str(name): _fact(value) for name, value in last.items() if name not in {"device_id", "available_at"}}
    risk, unavailable = _risk(service, device_id)
    _record(service, caller, request_id_of(request), device_id, risk)
    return DeviceAnswer(
        device_id=device_id,
        facts=facts,
        known_since=last["available_at"],
        history={table: service.workspace.store.count(table, device_ids=[device_id]) for table in HISTORY},
        risk=risk,
        risk_unavailable=unavailable,
    )


def _risk(service: Service, device_id: str) -> tuple[RiskByHorizon | None, str | None]:
    """Latest risk at every horizon of the model, or why there is none."""
    try:
        rows = service.champions.rows(KIND)
    except ProblemError as error:
        return None, str(error)
    usual = checked_horizon(rows.loaded, None)
    forecast = rows.forecasts([device_id], TOP_DRIVERS).get(device_id)
    if forecast is not None:
        every = [answer(forecast, format_duration(end)) for end in forecast.horizons_us]
        return _by_horizon(rows.loaded, answer(forecast, usual), every), None
    said = without_row(service.workspace, rows.snapshot, [device_id], usual)[device_id]
    if isinstance(said, Unanswered):
        return None, f"{said.message} {said.hint}"
    return _by_horizon(rows.loaded, said, []), None


def _record(
    service: Service, caller: Caller, request_id: str | None, device_id: str, risk: RiskByHorizon | None
) -> None:
    """Put on record what is given out of the device, before it leaves."""
    who = {"request_id": request_id, "key_id": caller.caller_id, "kind": KIND}
    if risk is None:
        service.audit.append(DEVICE, {**who, "answers": [{"id": device_id}]})
        return
    probabilities = {each.horizon: each.probability for each in risk.horizons}
    kept = {"cutoff": risk.cutoff.isoformat(), "probabilities": probabilities, "evidence": risk.evidence}
    model = {"model_version": risk.model.version, "run_id": risk.model.run_id}
    service.audit.append(PREDICTION, {**who, **model, "answers": [{"id": device_id, **kept}]})


def _by_horizon(loaded: Loaded, usual: Answer, every: Sequence[Answer]) -> RiskByHorizon:
    horizons = [
        {"horizon": each.horizon, "probability": finite(each.probability), "components": finite_values(each.components)}
        for each in every
    ]
    values = {**risk_values(loaded, usual), "device_id": usual.entity_id, "horizons": horizons}
    return RiskByHorizon.model_validate(values)


def _fact(value: Any) -> Fact:
    """Return a value of a standing fact as JSON holds it; what is missing is null."""
    if pd.isna(value):
        return None
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bool | str):
        return value
    return finite(float(value))
