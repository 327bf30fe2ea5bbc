"""Slices and reliability tables, by hand and with calibrated forecasts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from aftercast.data.fleet import FleetSpec
from aftercast.models.judge.slices import reliability, slice_names, slices
from aftercast.models.metrics.bootstrap import draw_weights
from aftercast.models.metrics.failures import Rows
from aftercast.models.metrics.table import row_metrics
from aftercast.operations.clocks import DAY_US


def rows_of(owner: np.ndarray, event: np.ndarray, known: np.ndarray | None = None) -> Rows:
    """Rows of one cutoff a row; each event is a failure of its own."""
    failure = np.where(event, np.cumsum(event) - 1, -1)
    times = np.full(int(event.sum()), DAY_US)
    return Rows(
        owner,
        np.zeros(len(owner), dtype=np.int64),
        failure,
        times,
        np.ones(len(owner), bool) if known is None else known,
        DAY_US,
    )


def test_names_of_slices_with_what_is_unknown() -> None:
    features = pd.DataFrame(
        {
            "device_model": pd.Categorical(["相机-A", None, "B"]),
            "hardware_generation": pd.Categorical([None, None, None], categories=["G1"]),
            "device_age_days": [89.9, 365.0, np.nan],
            "telemetry_age_hours": [1.0, 500.0, np.nan],
            "faults_count_life": [0, 1, 0],
            "failures_count_life": [0, 0, 0],
            "repairs_count_life": [0, 0, 0],
        }
    )
    names = slice_names(features, FleetSpec(name="s"))
    assert {name: values.tolist() for name, values in names.items()} == {
        "device_model": ["相机-A", "unknown", "B"],
        "evidence": ["telemetry", "history", "cohort"],
        "age": ["under 90 days", "1 to 2 years", "unknown"],
    }


def test_customers_have_slices_of_segment_and_tenure() -> None:
    features = pd.DataFrame({"segment": ["home", "shop"], "tenure_days": [10.0, 4_000.0]})
    names = slice_names(features, FleetSpec(name="s"))
    assert {name: values.tolist() for name, values in names.items()} == {
        "segment": ["home", "shop"],
        "age": ["under 90 days", "10 years and more"],
    }


def test_a_slice_has_the_metrics_of_its_known_rows() -> None:
    random = np.random.default_rng(0)
    owner = np.repeat(np.arange(50), 10)
    p = random.random(500) * 0.5
    event = random.random(500) < p
    known = random.random(500) < 0.8
    model = np.where(owner < 20, "A", "B")
    found = slices(rows_of(owner, event, known), p, {"device_model": model}, draw_weights(50, 60))["device_model"]
    assert list(found) == ["B", "A"]
    for name, each in found.items():
        chosen = (model == name) & known
        told = row_metrics(event[chosen], p[chosen])
        assert {key: each[key] for key in ("pr_auc", "roc_auc", "ece")} == {
            key: told[key] for key in ("pr_auc", "roc_auc", "ece")
        }
        assert (each["n"], each["events"]) == (int(chosen.sum()), int(event[chosen].sum()))
        assert (each["predicted"], each["observed"]) == (p[chosen].mean(), event[chosen].mean())
        assert each["devices"] == (20 if name == "A" else 30)
        low, high = each["intervals"]["observed"]
        assert low < each["observed"] < high


def test_without_draws_there_are_no_intervals() -> None:
    rows = rows_of(np.arange(4), np.array([True, False, False, False]))
    p = np.array([0.5, 0.1, 0.1, 0.1])
    weights = draw_weights(4, 0)
    found = slices(rows, p, {"age": np.full(4, "new")}, weights)["age"]["new"]
    assert set(found["intervals"].values()) == {None}
    assert [each["interval"] for each in reliability(rows, p, np.full(4, "A"), weights)["A"]] == [None]


def test_reliability_bins_share_the_failures_to_be_expected() -> None:
    """A thousand rows of .001, of which one is expected, and twenty of .5: three bins would part the equal ones."""
    p = np.append(np.full(1_000, 0.001), np.full(20, 0.5))
    event = np.zeros(1_020, dtype=bool)
    event[1_000:1_011] = True
    table = reliability(rows_of(np.arange(1_020), event), p, np.full(1_020, "A"), draw_weights(1_020, 100))["A"]
    assert [(each["n"], each["events"]) for each in table] == [(1_000, 0), (20, 11)]
    assert [each["predicted"] for each in table] == pytest.approx([0.001, 0.5])
    assert [each["observed"] for each in table] == [0.0, 0.55]
    assert table[0]["interval"] == pytest.approx([0.0, 1 - 0.025 ** (1 / 1_000)])


def test_calibrated_forecasts_lie_within_the_intervals_of_most_bins() -> None:
    random = np.random.default_rng(3)
    owner = np.repeat(np.arange(2_000), 5)
    p = random.beta(0.5, 10, 2_000)[owner]
    event = random.random(len(p)) < p
    names = np.where(owner % 2 == 0, "A", "B")
    tables = reliability(rows_of(owner, event), p, names, draw_weights(2_000, 200))
    bins = [each for table in tables.values() for each in table]
    assert len(bins) == 20
    inside = [each["interval"][0] <= each["predicted"] <= each["interval"][1] for each in bins]
    assert sum(inside) >= 16
    assert sum(each["n"] for each in bins) == len(p)
