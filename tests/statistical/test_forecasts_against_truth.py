"""Forecasts for a period after training agree with the probabilities the simulator knows to be true."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

Forecast = Any  # the fixture's class; conftest files are not imported

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

HORIZONS = ("p_24h", "p_7d", "p_30d")
DECILES = 10


def deciles(predicted: npt.NDArray[np.float64], true: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Mean predicted and mean true probability by decile of the predicted, shape (10, 2)."""
    order = np.argsort(predicted.ravel(), kind="stable")
    parts = np.array_split(order, DECILES)
    return np.array([[predicted.ravel()[part].mean(), true.ravel()[part].mean()] for part in parts])


@pytest.mark.parametrize("horizon", HORIZONS)
def test_the_mean_forecast_is_the_mean_truth(forecast: Forecast, horizon: str) -> None:
    assert forecast.predicted[horizon].mean() == pytest.approx(forecast.true[horizon].mean(), rel=0.2)


@pytest.mark.parametrize("horizon", HORIZONS)
def test_forecast_and_truth_agree_by_decile(forecast: Forecast, horizon: str) -> None:
    table = deciles(forecast.predicted[horizon], forecast.true[horizon])
    allowed = 0.35 * table[:, 1] + 0.25 * forecast.true[horizon].mean()
    assert (np.abs(table[:, 0] - table[:, 1]) <= allowed).all(), table


@pytest.mark.parametrize("horizon", HORIZONS)
def test_the_order_of_the_true_risks_is_recovered(forecast: Forecast, horizon: str) -> None:
    """Most components are below the onset of wear and differ little; what counts is the order of the others."""
    predicted, true = forecast.predicted[horizon].ravel(), forecast.true[horizon].ravel()
    count = len(true) // 10
    best, found = (np.argsort(-values, kind="stable")[:count] for values in (true, predicted))
    assert true[found].sum() > 0.75 * true[best].sum()
    assert (np.diff(deciles(predicted, true)[-4:, 1]) > 0).all()


@pytest.mark.parametrize("horizon", ["p_7d", "p_30d"])
def test_the_riskiest_twentieth_is_truly_riskier_than_the_oldest_twentieth(forecast: Forecast, horizon: str) -> None:
    true = forecast.true[horizon].ravel()
    count = len(true) // 20
    chosen = {
        "model": np.argsort(-forecast.predicted[horizon].ravel(), kind="stable")[:count],
        "age": np.argsort(-forecast.age_days.ravel(), kind="stable")[:count],
    }
    assert true[chosen["model"]].mean() > 1.2 * true[chosen["age"]].mean()


def test_dark_devices_are_answered_from_history_or_cohort_and_about_right(forecast: Forecast) -> None:
    dark = forecast.evidence != "telemetry"
    assert set(forecast.evidence[dark]) == {"history", "cohort"}
    assert dark.sum() > 100
    predicted, true = forecast.predicted["p_30d"][dark], forecast.true["p_30d"][dark]
    assert np.isfinite(predicted).all()
    assert ((predicted > 0) & (predicted < 1)).all()
    assert predicted.mean() == pytest.approx(true.mean(), rel=0.35)
