"""What is suggested about a probability, and the parts that come with it."""

from __future__ import annotations

import math
from typing import cast

import pandas as pd
import pytest

from aftercast.data.workspace import Workspace
from aftercast.models.forecast import stored_content
from aftercast.models.hazard.forecast import HazardForecast, PartUse
from aftercast.models.kinds import kind_of
from aftercast.models.scoring.parts import ENOUGH_REPAIRS, UsualParts, usual_parts
from aftercast.models.words.answers import answer, threshold_within
from aftercast.models.words.next_step import next_step
from aftercast.operations.clocks import DAY_US
from aftercast.operations.database.forecasts import ForecastSet

UNTIL = pd.Timestamp("2025-08-22", tz="UTC")
NOW = pd.Timestamp("2025-08-15", tz="UTC")


@pytest.mark.parametrize(
    ("probability", "threshold", "missing", "code"),
    [
        (0.3, 0.3, (), "visit"),
        (0.0, 0.0, (), "visit"),
        (math.nextafter(0.3, 0), 0.3, (), "wait"),
        (0.1, 0.3, ("vibration",), "reconnect"),
        (0.9, 0.3, ("vibration",), "visit"),
        (0.9, math.nan, (), "decide"),
    ],
)
def test_the_threshold_decides_and_a_silent_input_is_asked_about(
    probability: float, threshold: float, missing: tuple[str, ...], code: str
) -> None:
    found = next_step("failure", probability, threshold, UNTIL, component="pump", missing=missing)
    assert found.code == code


def test_a_customer_is_called_and_not_visited() -> None:
    assert next_step("churn", 0.5, 0.3, UNTIL).text == "Call the customer before 2025-08-22 00:00 UTC."
    assert next_step("churn", 0.1, 0.3, UNTIL).code == "wait"


def test_a_visit_names_the_part_that_such_repairs_used_most() -> None:
    parts = (PartUse("PMP-1", 14, 16, 1.0), PartUse("SEAL", 3, 16, 2.0))
    found = next_step("failure", 0.5, 0.3, UNTIL, component="pump", parts=parts)
    assert found.text.endswith("check the pump; bring PMP-1 (used in 14 of 16 such repairs).")


def test_a_threshold_between_horizons_moves_as_a_risk_does() -> None:
    assert threshold_within([10, 20], [0.19, 0.36], 20) == 0.36
    assert threshold_within([10, 20], [0.0, 0.75], 15) == pytest.approx(0.5)
    assert threshold_within([10, 20], [0.5, 0.75], 5) == pytest.approx(1 - math.sqrt(0.5))
    assert math.isnan(threshold_within([10, 20], [math.nan, 0.75], 15))
    assert math.isnan(threshold_within([10, 20], [], 15))


def _score() -> HazardForecast:
    return HazardForecast(
        kind="failure",
        entity_id="D",
        cutoff=NOW,
        model_version="1",
        data_version=1,
        horizons_us=(DAY_US, 7 * DAY_US),
        risks={"pump": (0.0, 0.4), "motor": (0.0, 0.1)},
        any_risk=(0.0, 0.46),
        evidence="telemetry",
        data_as_of=NOW,
        any_threshold=(math.nan, 0.3),
        out_of_range=("vibration",),
        parts={"pump": (PartUse("PMP-1", 2, 3, 1.0),), "motor": (PartUse("MTR", 1, 1, 1.0),)},
    )


def test_an_answer_says_by_when_what_to_do_and_what_to_bring() -> None:
    week = answer(_score(), "7d")
    assert week.until == UNTIL
    assert (week.next_step is not None and week.next_step.code, week.parts) == ("visit", (PartUse("PMP-1", 2, 3, 1.0),))
    assert week.out_of_range == ("vibration",)
    day = answer(_score(), "24h")
    assert day.next_step is not None
    assert day.next_step.code == "decide"


def test_a_stored_score_comes_back_with_thresholds_and_parts() -> None:
    score = _score()
    found = ForecastSet("failure", NOW, "1", 1, ("1d", "7d"), ("pump", "motor"))
    back = cast("HazardForecast", kind_of("failure").restored(found, "D", stored_content(score)))
    assert (back.parts, back.out_of_range, back.any_threshold[1]) == (score.parts, score.out_of_range, 0.3)
    assert math.isnan(back.any_threshold[0])


def test_parts_are_those_of_the_mending_work_orders_known_at_the_cutoff(fleet_workspace: Workspace) -> None:
    store = fleet_workspace.store
    until = store.observed_until()
    assert until is not None
    cutoff = until - pd.Timedelta(days=20)
    found = usual_parts(store, version=None, cutoff=cutoff)
    repairs = store.read("repairs", known_at=cutoff).drop_duplicates("work_order_id", keep="last")
    mended = repairs[repairs["kind"].isin(["corrective", "proactive"]) & (repairs["outcome"] != "no_fault_found")]
    used = store.read("parts_used", known_at=cutoff).drop_duplicates(["work_order_id", "sku"], keep="last")
    assert found.found
    for (component, model), parts in found.found.items():
        of = mended[(mended["component"] == component)]
        done = of[of["closed_at"].notna() | of["work_order_id"].isin(used["work_order_id"])]
        if model == "":
            assert all(part.of == len(done) for part in parts)
        for part in parts:
            lines = used[(used["sku"] == part.sku) & used["work_order_id"].isin(done["work_order_id"])]
            assert part.repairs <= len(lines)
            assert model != "" or part.repairs == len(lines)
            assert part.quantity in set(lines["quantity"]) | {lines["quantity"].median()}
    assert UsualParts.from_list(found.to_list()) == found


def test_few_repairs_of_a_model_leave_the_word_to_all_models() -> None:
    everyone, own = (PartUse("A", 9, 20, 1.0),), (PartUse("B", 5, 5, 1.0),)
    found = UsualParts({("pump", ""): everyone, ("pump", "x"): own})
    assert found.of("pump", "x") == own
    assert found.of("pump", "y") == everyone
    assert found.of("motor", "x") == ()
    assert ENOUGH_REPAIRS == 5
