"""Plots of a training run, drawn from plain arrays; without a display."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from sklearn.metrics import precision_recall_curve

from aftercast.models.aliases import Floats, Mask
from aftercast.models.fit.training import OWN, Trained
from aftercast.models.judge.curves import calibration
from aftercast.models.metrics.evaluation import ALL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


MISSING_GLYPH: Final = "Glyph .* missing from font"
"""Warning of matplotlib, once a letter: its font has no Chinese, and draws a box in its place."""
SIZE: Final = (6.4, 4.8)
BINS: Final = 10
DRIVERS: Final = 20


def training_plots(trained: Trained) -> dict[str, Figure]:
    """Draw the plots of a training, by name; one that the validation period cannot fill is left out."""
    happened, forecasts = trained.validation.of(ALL)
    plots = {"drivers": bar_plot(*_first(trained.importance), "Share of gain")}
    if happened.any() and not happened.all():
        plots["calibration"] = calibration_plot(calibration(happened, forecasts[OWN]))
        plots["precision_recall"] = precision_recall_plot(happened, forecasts)
    leads = {name: found["median_lead_time_hours"] for name, found in trained.metrics[OWN].items()}
    known = {name: float(hours) for name, hours in leads.items() if hours is not None}
    if known:
        plots["lead_time"] = bar_plot(list(known), list(known.values()), "Median lead time, hours")
    return plots


def report_plots(report: Mapping[str, Any]) -> dict[str, Figure]:
    """Draw the plots of a backtest's JSON report, by name; one that nothing was found for is left out."""
    own = report["curves"][OWN]
    plots = {}
    if own["calibration"]:
        plots["calibration"] = calibration_plot(own["calibration"])
    if own["precision_recall"]:
        lines = _lines(report, "curves", "precision_recall", "recall", "precision")
        plots["precision_recall"] = lines_plot(lines, steps="steps-post")
    if own["lead_time_hours"]:
        plots["lead_time"] = histogram_plot(own["lead_time_hours"], "Lead time, hours", "Failures")
    if report["costs"][OWN]["points"]:
        unit = report["costs"][OWN]["currency"]
        plots["cost"] = cost_plot(report, f"{unit} per device-month")
    if report["decisions"][OWN]["points"]:
        plots["decision"] = decision_plot(report)
    return plots


@dataclass(frozen=True)
class Lines:
    """Lines by model: values across and up, and the names of both axes."""

    across: str
    up: str
    points: Mapping[str, tuple[Sequence[float], Sequence[float]]]


def _lines(report: Mapping[str, Any], part: str, curve: str, across: str, up: str) -> Lines:
    points = {}
    for model, found in report[part].items():
        shown = [point for point in found[curve] if point[across] is not None]
        points[model] = ([point[across] for point in shown], [point[up] for point in shown])
    return Lines(across.replace("_", " "), up.replace("_", " "), points)


def lines_plot(lines: Lines, steps: Literal["default", "steps-post"] = "default") -> Figure:
    """One line a model, ours thicker; a dot where there is but one point."""
    figure, axes = axes_of(lines.across.capitalize(), lines.up.capitalize())
    for name, (across, up) in lines.points.items():
        dot = "o" if len(across) == 1 else None
        axes.plot(across, up, label=name, linewidth=2 if name == OWN else 1, drawstyle=steps, marker=dot)
    axes.legend()
    return figure


def histogram_plot(values: Sequence[float], across: str, up: str) -> Figure:
    """Histogram of values."""
    figure, axes = axes_of(across, up)
    axes.hist(values, bins=BINS)
    return figure


def cost_plot(report: Mapping[str, Any], label: str) -> Figure:
    """Cost over thresholds, both logarithmic, one line a model and a level for visiting nobody."""
    figure = lines_plot(replace(_lines(report, "costs", "points", "threshold", "cost"), up=label))
    axes = figure.axes[0]
    nobody = next(point["cost"] for point in report["costs"][OWN]["points"] if point["threshold"] is None)
    axes.axhline(nobody, color="grey", linewidth=1, linestyle="--", label="visit nobody")
    axes.set_xscale("log")
    axes.set_yscale("log" if nobody > 0 else "linear")
    axes.set_ylabel(label)
    axes.legend()
    return figure


def decision_plot(report: Mapping[str, Any]) -> Figure:
    """Net benefit over threshold probabilities, one line a model, and those of visiting everybody and nobody."""
    lines = _lines(report, "decisions", "points", "threshold", "net_benefit")
    figure = lines_plot(lines)
    axes = figure.axes[0]
    points = report["decisions"][OWN]["points"]
    axes.plot(
        [point["threshold"] for point in points],
        [point["visit_all"] for point in points],
        color="grey",
        linewidth=1,
        linestyle="--",
        label="visit everybody",
    )
    axes.axhline(0, color="black", linewidth=0.5, label="visit nobody")
    top = max(max(up) for _, up in lines.points.values())
    axes.set_ylim(-0.1 * top if top > 0 else -0.01, 1.05 * top if top > 0 else 0.01)
    axes.set_xscale("log")
    axes.legend()
    return figure


def calibration_plot(bins: Sequence[Mapping[str, float]]) -> Figure:
    """Mean forecast against observed share, one point a bin, on square-root axes because failures are rare."""
    forecast, observed = ([each[name] for each in bins] for name in ("predicted", "observed"))
    figure, axes = axes_of("Forecast probability", "Observed share")
    axes.set_xscale("function", functions=(np.sqrt, np.square))
    axes.set_yscale("function", functions=(np.sqrt, np.square))
    top = max([0.01, *forecast, *observed])
    axes.plot([0, top], [0, top], color="grey", linewidth=1, label="perfect")
    axes.plot(forecast, observed, marker="o", label="model")
    axes.legend()
    return figure


def precision_recall_plot(happened: Mask, forecasts: Mapping[str, Floats]) -> Figure:
    """Precision against recall over all thresholds, one line for the model and one for each baseline.

    Parameters
    ----------
    happened
        Shape (n,).
    forecasts
        Name -> probabilities, shape (n,).
    """
    figure, axes = axes_of("Recall", "Precision")
    for name, values in forecasts.items():
        precision, recall, _ = precision_recall_curve(happened, values)
        axes.plot(recall, precision, label=name, linewidth=2 if name == OWN else 1)
    axes.legend()
    return figure


def bar_plot(names: Sequence[str], values: Sequence[float], label: str) -> Figure:
    """Horizontal bars, the first on top."""
    figure, axes = axes_of(label, "")
    shown = [name.replace("$", r"\$") for name in names]  # between two dollars matplotlib expects a formula
    axes.barh(shown[::-1], list(values)[::-1])
    return figure


def trials_plot(trials: Sequence[tuple[Sequence[float], bool]]) -> Figure:
    """Mean loss of each trial of a search in their order, those given up hollow, and the best so far as a line."""
    figure, axes = axes_of("Trial", "Mean log loss")
    means = np.array([np.mean(losses) for losses, _ in trials])
    whole = np.array([not pruned for _, pruned in trials])
    number = np.arange(len(trials))
    axes.scatter(number[whole], means[whole], label="whole")
    axes.scatter(number[~whole], means[~whole], facecolors="none", edgecolors="grey", label="given up")
    axes.step(number, np.minimum.accumulate(np.where(whole, means, np.inf)), where="post", label="best")
    axes.legend()
    return figure


def _first(importance: Mapping[str, float]) -> tuple[list[str], list[float]]:
    chosen = list(importance.items())[:DRIVERS]
    return [name for name, _ in chosen], [share for _, share in chosen]


def axes_of(across: str, up: str) -> tuple[Figure, Axes]:
    """Figure of one pair of axes, with the names of both."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    return figure, axes
