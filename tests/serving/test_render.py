"""What the models say arrives on the wire: 0 and 1 as numbers, what JSON cannot hold as null."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from aftercast.models.hazard.forecast import Driver
from aftercast.models.words.answers import Answer, not_judged
from aftercast.serving.absent import Unanswered
from aftercast.serving.serialization import fragment, whole_answer

CUTOFF = pd.Timestamp("2025-08-15", tz="UTC")
LOADED: Any = SimpleNamespace(kind="failure", version="3", run_id="r")


def _answer(probability: float | None, value: float | str | None = 1.5) -> Answer:
    return Answer(
        kind="failure",
        entity_id="D1",
        cutoff=CUTOFF,
        horizon="7d",
        sentence="s",
        probability=probability,
        component="pump",
        components={"pump": 0.0 if probability is None else probability},
        evidence="telemetry",
        drivers=(Driver("f", value, "mm/s", math.inf, "text", "about"),),
    )


def _wire(loaded: Any, *results: Answer | Unanswered) -> dict[str, Any]:
    rows: Any = SimpleNamespace(loaded=loaded)
    whole = whole_answer(rows, CUTOFF, "7d", [fragment(loaded, each) for each in results])

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    found: dict[str, Any] = json.loads(whole, parse_constant=refuse)
    return found


@pytest.mark.parametrize("probability", [0.0, 1.0, 5e-324, 0.1 + 0.2, 1 - 2**-53])
def test_a_probability_arrives_to_the_last_digit(probability: float) -> None:
    (result,) = _wire(LOADED, _answer(probability))["results"]
    assert result["probability"] == probability
    assert result["components"] == {"pump": probability}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None])
def test_a_driver_without_a_number_has_null_and_not_zero(value: float | None) -> None:
    (result,) = _wire(LOADED, _answer(0.5, value))["results"]
    assert result["drivers"][0]["value"] is None
    assert result["drivers"][0]["contribution"] is None


def test_a_driver_of_zero_or_of_text_stays_what_it_is() -> None:
    zero, text = (
        _wire(LOADED, _answer(0.5, value))["results"][0]["drivers"][0]["value"] for value in (0.0, "fridge-b")
    )
    assert (zero, text) == (0.0, "fridge-b")
    assert zero is not None


def test_what_cannot_be_judged_is_null_with_the_reason() -> None:
    (result,) = _wire(LOADED, not_judged("failure", "D1", CUTOFF, "7d", "the device had been retired"))["results"]
    assert result["status"] == "answered"
    assert (result["probability"], result["component"], result["evidence"]) == (None, None, None)
    assert result["reason"] == "the device had been retired"


def test_records_without_an_answer_are_counted_and_keep_their_place() -> None:
    lost = Unanswered("D9", "unknown_device", "m", "h")
    whole = _wire(LOADED, lost, _answer(0.5), lost)
    assert [result["status"] for result in whole["results"]] == ["error", "answered", "error"]
    assert (whole["answered"], whole["failed"]) == (1, 2)
    assert whole["results"][0]["error"] == {"code": "unknown_device", "message": "m", "hint": "h"}


def test_a_customers_answer_has_no_component() -> None:
    loaded: Any = SimpleNamespace(kind="churn", version="3", run_id="r")
    answered = _wire(loaded, replace(_answer(0.5), kind="churn"), Unanswered("C9", "c", "m", "h"))
    assert "component" not in answered["results"][0]
    assert [each["customer_id"] for each in answered["results"]] == ["D1", "C9"]
