"""From the answers of the models to the answers on the wire; numbers that JSON cannot hold become null."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, cast

from aftercast.models import answers
from aftercast.models.answers import Answer
from aftercast.models.registry import Loaded
from aftercast.serving.questions import Answered, Unanswered
from aftercast.serving.wire.common import Driver, Evidence, ModelRef, RecordProblem, finite
from aftercast.serving.wire.risk import (
    ChurnRisk,
    ChurnRiskAnswer,
    CustomerUnanswered,
    DeviceUnanswered,
    FailureRisk,
    FailureRiskAnswer,
    Interval,
    RemainingLife,
)


def failure_answer(answered: Answered) -> FailureRiskAnswer:
    """Answer about devices, in the order asked."""
    model = model_ref(answered.loaded)
    results = [
        DeviceUnanswered(device_id=each.entity_id, error=_problem(each))
        if isinstance(each, Unanswered)
        else FailureRisk(
            device_id=each.entity_id,
            component=each.component,
            components={name: finite(value) for name, value in each.components.items()},
            **_common(each, model),
        )
        for each in answered.results
    ]
    return FailureRiskAnswer(results=results, **_counts(answered, model))


def churn_answer(answered: Answered) -> ChurnRiskAnswer:
    """Answer about customers, in the order asked."""
    model = model_ref(answered.loaded)
    results = [
        CustomerUnanswered(customer_id=each.entity_id, error=_problem(each))
        if isinstance(each, Unanswered)
        else ChurnRisk(customer_id=each.entity_id, **_common(each, model))
        for each in answered.results
    ]
    return ChurnRiskAnswer(results=results, **_counts(answered, model))


def model_ref(loaded: Loaded) -> ModelRef:
    """Which model it is."""
    return ModelRef(name=loaded.kind, version=loaded.version, run_id=loaded.run_id)


def drivers(found: Iterable[answers.Driver]) -> list[Driver]:
    """Drivers, strongest first."""
    return [
        Driver(
            feature=each.feature,
            value=each.value if isinstance(each.value, str) else finite(each.value),
            unit=each.unit,
            about=each.about,
            contribution=finite(each.contribution),
            text=each.text,
        )
        for each in found
    ]


def evidence(text: str | None) -> Evidence | None:
    """Evidence class of an answer, None where nothing was judged."""
    return cast(Evidence | None, text)


def _common(each: Answer, model: ModelRef) -> dict[str, Any]:
    return {
        "sentence": each.sentence,
        "probability": finite(each.probability),
        "interval": None if each.interval is None else Interval(lower=each.interval[0], upper=each.interval[1]),
        "remaining_life": None if each.remaining_life is None else RemainingLife(**asdict(each.remaining_life)),
        "reason": each.reason,
        "horizon": each.horizon,
        "drivers": drivers(each.drivers),
        "evidence": evidence(each.evidence),
        "missing_inputs": list(each.missing),
        "data_as_of": each.data_as_of,
        "cutoff": each.cutoff,
        "model": model,
    }


def _counts(answered: Answered, model: ModelRef) -> dict[str, Any]:
    failed = sum(isinstance(each, Unanswered) for each in answered.results)
    return {
        "horizon": answered.horizon,
        "cutoff": answered.cutoff,
        "answered": len(answered.results) - failed,
        "failed": failed,
        "model": model,
    }


def _problem(each: Unanswered) -> RecordProblem:
    return RecordProblem(code=each.code, message=each.message, hint=each.hint)
