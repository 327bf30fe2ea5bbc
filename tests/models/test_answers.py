"""What is said of one device: exact at the model's horizons, null with a reason, zero and one kept."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aftercast.models.forecast import stored_content
from aftercast.models.hazard.forecast import Driver, HazardForecast
from aftercast.models.interpolation import risk_within, time_to
from aftercast.models.kinds import kind_of
from aftercast.models.words.answers import answer, not_judged, percent, words
from aftercast.operations.clocks import DAY_US, HOUR_US
from aftercast.operations.database.forecasts import ForecastSet
from aftercast.operations.errors import ModelMismatchError

CUTOFF = pd.Timestamp("2025-08-15", tz="UTC")


def score(**changes: Any) -> HazardForecast:
    values: dict[str, Any] = {
        "kind": "failure",
        "entity_id": "D1",
        "cutoff": CUTOFF,
        "model_version": "3",
        "data_version": 2,
        "horizons_us": (DAY_US, 7 * DAY_US),
        "risks": {"compressor": (0.02, 0.124), "pump": (0.001, 0.008)},
        "any_risk": (0.021, 0.131),
        "evidence": "telemetry",
        "data_as_of": CUTOFF - pd.Timedelta(hours=1),
        "any_interval": (None, (0.09, 0.17)),
    }
    return HazardForecast(**{**values, **changes})


def test_the_sentence_names_the_likeliest_component_and_the_probability_is_of_any() -> None:
    said = answer(score(), "7d")
    assert said.sentence == "13.1 % likelihood of a failure within 7 days, most likely of the compressor (12.4 %)"
    assert (said.probability, said.component) == (0.131, "compressor")
    assert said.components == {"compressor": 0.124, "pump": 0.008}
    assert said.reason is None


def test_a_customer_has_a_sentence_of_its_own_and_no_component() -> None:
    said = answer(score(kind="churn", risks={"left": (0.01, 0.042)}, any_risk=(0.01, 0.042)), "7d")
    assert said.sentence == "4.2 % likelihood that the customer leaves within 7 days"
    assert said.component is None


@pytest.mark.parametrize(("risk", "text"), [(0.0, "0 %"), (1.0, "100 %")])
def test_zero_and_one_are_probabilities_and_not_missing(risk: float, text: str) -> None:
    said = answer(score(risks={"pump": (risk, risk)}, any_risk=(risk, risk)), "7d")
    assert said.probability == risk
    assert said.sentence == f"{text} likelihood of a pump failure within 7 days"
    assert said.reason is None


def test_what_cannot_be_judged_has_no_probability_and_says_why() -> None:
    said = not_judged("failure", "D9", CUTOFF, "7d", "the device had been retired by 2025-01-02")
    assert said.probability is None
    assert said.sentence == "The risk cannot be judged: the device had been retired by 2025-01-02."
    assert said.reason == "the device had been retired by 2025-01-02"


def test_a_horizon_beyond_the_model_is_refused_with_the_longest_named() -> None:
    with pytest.raises(ModelMismatchError, match=r"up to 7d, not 8d.*horizons"):
        answer(score(), "8d")


def test_equally_likely_components_are_told_apart_the_same_way_each_time() -> None:
    one = answer(score(risks={"a": (0.1, 0.2), "b": (0.1, 0.2)}), "7d")
    other = answer(score(risks={"b": (0.1, 0.2), "a": (0.1, 0.2)}), "7d")
    assert one.component == other.component


@given(st.lists(st.floats(0, 1), min_size=1, max_size=5), st.integers(1, 500))
def test_risk_between_horizons_is_bounded_monotone_and_exact_on_them(values: list[float], at: int) -> None:
    risks = sorted(values)
    ends = [100 * (i + 1) for i in range(len(risks))]
    assert [risk_within(ends, risks, end) for end in ends] == risks
    horizon = min(at, ends[-1])
    found = risk_within(ends, risks, horizon)
    steps = [risk_within(ends, risks, h) for h in (max(1, horizon - 1), horizon, min(ends[-1], horizon + 1))]
    assert 0 <= found <= risks[-1] + 1e-12
    assert all(later >= earlier - 1e-12 for earlier, later in itertools.pairwise(steps))


@given(st.floats(0, 1))
def test_a_percentage_says_impossible_or_certain_only_of_what_is(probability: float) -> None:
    text = percent(probability)
    assert (text == "0 %") == (probability == 0)
    assert (text == "100 %") == (probability == 1)


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (DAY_US, "24 hours"),
        (14 * DAY_US, "14 days"),
        (HOUR_US, "1 hour"),
        (36 * HOUR_US, "36 hours"),
        (30_000_000, "30 seconds"),
        (1_000_000, "1 second"),
        (60_000_000, "1 minute"),
        (HOUR_US // 2, "30 minutes"),
        (90 * 60_000_000, "90 minutes"),
        (3 * HOUR_US + HOUR_US // 2, "3.5 hours"),
    ],
)
def test_durations_are_said_in_words(duration: int, text: str) -> None:
    assert words(duration) == text


def test_a_stored_score_comes_back_equal_to_the_last_digit() -> None:
    driver = Driver("vibration_mean_24h", None, "mm/s", 0.1 + 0.2, "vibration mean 24 h not known")
    stored = score(
        any_risk=(0.1 + 0.2, 1 / 3),
        drivers=(driver,),
        missing=("volt",),
        data_as_of=None,
        device_model="M",
        customer_id="C",
    )
    content = json.loads(json.dumps(stored_content(stored)))
    found = ForecastSet("failure", CUTOFF, "3", 2, ("1d", "7d"), ("pump",))
    assert kind_of("failure").restored(found, "D1", content) == stored


@given(st.lists(st.floats(0.001, 0.6), min_size=2, max_size=2), st.floats(0.001, 0.95))
def test_remaining_life_is_when_the_probability_reaches_a_share(values: list[float], share: float) -> None:
    horizons, risks = (DAY_US, 7 * DAY_US), sorted(values)
    found = time_to(horizons, risks, share)
    if found is None:
        assert share > risks[-1]
    else:
        assert risk_within(horizons, risks, max(round(found), 1)) == pytest.approx(share, abs=1e-6)


def test_remaining_life_beyond_the_longest_horizon_is_none_and_says_how_far_was_looked() -> None:
    life = answer(score(), "1d").remaining_life
    assert life is not None
    assert life.lower_days == pytest.approx(5.3, abs=0.2)
    assert (life.median_days, life.upper_days, life.beyond_days) == (None, None, 7.0)


def test_the_interval_is_that_of_the_horizon_asked_and_none_between_horizons() -> None:
    told = score(any_interval=(None, (0.1, 0.2)))
    assert [answer(told, horizon).interval for horizon in ("1d", "3d", "7d")] == [None, None, (0.1, 0.2)]
