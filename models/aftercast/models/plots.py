"""Plots of a training run, drawn from plain arrays; without a display."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.calibration import calibration_curve
from sklearn.metrics import precision_recall_curve

from aftercast.models.evaluation import ALL
from aftercast.models.training import OWN, Trained

SIZE: Final = (6.4, 4.8)
BINS: Final = 10
DRIVERS: Final = 20


def training_plots(trained: Trained) -> dict[str, Figure]:
    """Draw the plots of a training, by name; one that the validation period cannot fill is left out."""
    happened, forecasts = trained.validation.of(ALL)
    plots = {"drivers": bar_plot(*_first(trained.importance), "Share of gain")}
    if happened.any() and not happened.all():
        observed, forecast = calibration_curve(happened, forecasts[OWN], n_bins=BINS, strategy="quantile")
        plots["calibration"] = calibration_plot(forecast, observed)
        plots["precision_recall"] = precision_recall_plot(happened, forecasts)
    leads = {name: found["median_lead_time_hours"] for name, found in trained.metrics[OWN].items()}
    known = {name: float(hours) for name, hours in leads.items() if hours is not None}
    if known:
        plots["lead_time"] = bar_plot(list(known), list(known.values()), "Median lead time, hours")
    return plots


def calibration_plot(forecast: Sequence[float], observed: Sequence[float]) -> Figure:
    """Mean forecast against observed share, one point a bin, on square-root axes because failures are rare."""
    figure, axes = _axes("Forecast probability", "Observed share")
    axes.set_xscale("function", functions=(np.sqrt, np.square))
    axes.set_yscale("function", functions=(np.sqrt, np.square))
    top = max([0.01, *forecast, *observed])
    axes.plot([0, top], [0, top], color="grey", linewidth=1, label="perfect")
    axes.plot(forecast, observed, marker="o", label="model")
    axes.legend()
    return figure


def precision_recall_plot(happened: npt.NDArray[np.bool_], forecasts: Mapping[str, npt.NDArray[np.float64]]) -> Figure:
    """Precision against recall over all thresholds, one line for the model and one for each baseline.

    Parameters
    ----------
    happened
        Shape (n,).
    forecasts
        Name -> probabilities, shape (n,).
    """
    figure, axes = _axes("Recall", "Precision")
    for name, values in forecasts.items():
        precision, recall, _ = precision_recall_curve(happened, values)
        axes.plot(recall, precision, label=name, linewidth=2 if name == OWN else 1)
    axes.legend()
    return figure


def bar_plot(names: Sequence[str], values: Sequence[float], label: str) -> Figure:
    """Horizontal bars, the first on top."""
    figure, axes = _axes(label, "")
    axes.barh(list(names)[::-1], list(values)[::-1])
    return figure


def _first(importance: Mapping[str, float]) -> tuple[list[str], list[float]]:
    chosen = list(importance.items())[:DRIVERS]
    return [name for name, _ in chosen], [share for _, share in chosen]


def _axes(across: str, up: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    return figure, axes
