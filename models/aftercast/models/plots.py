"""Plots of a training run, drawn from plain arrays; without a display."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import precision_recall_curve

SIZE = (6.4, 4.8)


def calibration_plot(forecast: Sequence[float], observed: Sequence[float]) -> Figure:
    """Mean forecast against observed share, one point a bin, on square-root axes because failures are rare."""
    figure, axes = _axes("Forecast probability", "Observed share")
    top = max([0.01, *forecast, *observed])
    axes.plot([0, top], [0, top], color="grey", linewidth=1, label="perfect")
    axes.plot(forecast, observed, marker="o", label="model")
    axes.legend()
    return figure


def precision_recall_plot(
    happened: npt.NDArray[np.bool_], forecasts: Mapping[str, npt.NDArray[np.float64]]
) -> Figure:
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
        axes.plot(recall, precision, label=name, linewidth=2 if name == "model" else 1)
    axes.legend()
    return figure


def bar_plot(names: Sequence[str], values: Sequence[float], label: str) -> Figure:
    """Horizontal bars, the first on top."""
    figure, axes = _axes(label, "")
    axes.barh(list(names)[::-1], list(values)[::-1])
    return figure


def _axes(across: str, up: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    return figure, axes
