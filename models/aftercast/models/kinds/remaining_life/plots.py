"""Plots of a remaining life training: predicted against true life out of fold, and coverage by stage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from aftercast.models.judge.plots import axes_of
from aftercast.models.kinds.remaining_life.assessment import Judged
from aftercast.models.kinds.remaining_life.evaluation import OURS

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def remaining_life_plots(judged: Judged) -> dict[str, Figure]:
    """Draw the plots, by name."""
    return {"predicted_and_true": _points(judged), "coverage_by_stage": _coverage(judged)}


def _points(judged: Judged) -> Figure:
    """Every row that counts, each a faint dot; a perfect prediction lies on the line, a late one above it."""
    figure, axes = axes_of("True remaining life, cycles, capped", "Predicted remaining life, cycles")
    sample, cap = judged.samples[OURS], judged.settings.cap
    axes.plot([0, cap], [0, cap], color="grey", linewidth=1, label="perfect")
    axes.scatter(np.minimum(sample.truth, cap), sample.predicted, s=3, alpha=0.15, label="out of fold")
    axes.legend()
    return figure


def _coverage(judged: Judged) -> Figure:
    """Share of true lives inside the interval in each stage of predicted life, with 95 % intervals over units."""
    figure, axes = axes_of("", "Share inside the interval")
    found = {name: row["coverage"] for name, row in judged.coverage.items() if not name.startswith("true")}
    values = np.array(list(found.values()))
    axes.errorbar(
        range(len(found)),
        values[:, 0],
        yerr=[np.maximum(values[:, 0] - values[:, 1], 0), np.maximum(values[:, 2] - values[:, 0], 0)],
        fmt="o",
        capsize=4,
    )
    axes.axhline(judged.settings.coverage, color="grey", linewidth=1, linestyle="--", label="promised")
    axes.set_xticks(range(len(found)), list(found), rotation=20)
    axes.legend()
    return figure
