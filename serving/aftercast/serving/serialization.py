"""From the answers of the models to the answers on the wire; numbers that JSON cannot hold become null."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import orjson
import pandas as pd

from aftercast.data.ingest import Refused
from aftercast.models.hazard.forecast import Driver as DriverSaid
from aftercast.models.kinds import hazard_kind
from aftercast.models.registry.versions import Loaded
from aftercast.models.words.answers import Answer
from aftercast.serving.absent import Unanswered
from aftercast.serving.kinds import WIRES
from aftercast.serving.response_cache import Fragment, Rows
from aftercast.serving.wire.common import ModelRef, ResultProblem, finite
from aftercast.serving.wire.risk import RiskAnswer

PREDICTION: Final = "prediction"
"""Event of an answer in the audit log."""


def fragment(loaded: Loaded, said: Answer | Unanswered, refused: Sequence[Refused] = ()) -> Fragment:
    """One result of an answer, and what the audit log keeps of it."""
    grain = hazard_kind(loaded.kind).grain
    wire = WIRES[grain]
    if isinstance(said, Unanswered):
        problem = ResultProblem(code=said.code, message=said.message, hint=said.hint)
        body = wire.unanswered.model_validate({grain: said.entity_id, "error": problem})
        return Fragment(body.model_dump_json().encode(), _kept(said.entity_id, error=said.code), answered=False)
    kept = _kept(
        said.entity_id,
        cutoff=said.cutoff.isoformat(),
        probability=finite(said.probability),
        component=said.component,
        evidence=said.evidence,
    )
    values = risk_values(loaded, said, refused)
    known = {name: value for name, value in values.items() if name in wire.result.model_fields}
    shown = wire.result.model_validate({**known, grain: said.entity_id})
    return Fragment(shown.model_dump_json().encode(), kept, answered=True)


def whole_answer(rows: Rows, cutoff: pd.Timestamp, horizon: str, fragments: Sequence[Fragment]) -> bytes:
    """JSON of an answer about several devices or customers."""
    answered = sum(each.answered for each in fragments)
    model = (rows.loaded.kind, rows.loaded.version, rows.loaded.run_id)
    start = _head(model, cutoff, horizon, answered, len(fragments) - answered)
    return b"".join([start, b',"results":[', b",".join(each.body for each in fragments), b"]}"])


@lru_cache(maxsize=1000)
def _head(model: tuple[str, str, str], cutoff: pd.Timestamp, horizon: str, answered: int, failed: int) -> bytes:
    """Fields that an answer has once, as an object that is still open."""
    kind, version, run_id = model
    which = ModelRef(name=kind, version=version, run_id=run_id)
    head = RiskAnswer(horizon=horizon, cutoff=cutoff, answered=answered, failed=failed, model=which)
    return head.model_dump_json().encode()[:-1]


def audit_entry(rows: Rows, horizon: str, fragments: Sequence[Fragment], body: bytes, **who: str | None) -> bytes:
    """JSON of what the audit log keeps of an answer: who asked, which model answered, and each probability."""
    head = orjson.dumps(
        {
            **who,
            "kind": rows.loaded.kind,
            "model_version": rows.loaded.version,
            "run_id": rows.loaded.run_id,
            "data_version": rows.snapshot.data_version,
            "horizon": horizon,
            "answer_sha256": hashlib.sha256(body).hexdigest(),
        }
    )
    return b"".join([head[:-1], b',"answers":[', b",".join(each.audit for each in fragments), b"]}"])


def model_ref(loaded: Loaded) -> ModelRef:
    """Which model it is."""
    return ModelRef(name=loaded.kind, version=loaded.version, run_id=loaded.run_id)


def risk_values(loaded: Loaded, said: Answer, refused: Sequence[Refused] = ()) -> dict[str, Any]:
    """Values of a risk; they are validated as a whole, which is faster than part by part."""
    return {
        "sentence": said.sentence,
        "probability": finite(said.probability),
        "interval": None if said.interval is None else {"lower": said.interval[0], "upper": said.interval[1]},
        "remaining_life": None if said.remaining_life is None else vars(said.remaining_life),
        "reason": said.reason,
        "horizon": said.horizon,
        "until": said.until,
        "next_step": None if said.next_step is None else vars(said.next_step),
        "drivers": [_driver(each) for each in said.drivers],
        "evidence": said.evidence,
        "missing_inputs": said.missing,
        "out_of_range_inputs": said.out_of_range,
        "data_as_of": said.data_as_of,
        "cutoff": said.cutoff,
        "model": {"name": loaded.kind, "version": loaded.version, "run_id": loaded.run_id},
        "component": said.component,
        "components": finite_values(said.components),
        "parts": [vars(part) for part in said.parts],
        "refused_records": [vars(each) for each in refused],
    }


def finite_values(values: Mapping[str, float]) -> dict[str, float | None]:
    """Numbers as JSON holds them."""
    return {name: finite(value) for name, value in values.items()}


def _driver(said: DriverSaid) -> dict[str, Any]:
    return {
        "feature": said.feature,
        "value": said.value if isinstance(said.value, str) else finite(said.value),
        "unit": said.unit,
        "about": said.about,
        "contribution": finite(said.contribution),
        "text": said.text,
    }


def _kept(entity_id: str, **said: Any) -> bytes:
    return orjson.dumps({"id": entity_id, **said})
