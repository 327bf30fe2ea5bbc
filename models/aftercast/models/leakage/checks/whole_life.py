"""A constant of each life that equals a statistic of the whole of it, or a column scaled by such statistics."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from aftercast.features.replay.report import Finding
from aftercast.models.aliases import Floats
from aftercast.models.leakage.lives import Lives
from aftercast.models.leakage.panel import FLOAT32_TOLERANCE, Panel, is_affine, log10_arrangements

NAME: Final = "whole_life"
LEAST_LIVES: Final = 5
LEAST_VALUES: Final = 10


def find(panel: Panel) -> Iterator[Finding]:
    """Undeclared constants that equal what only the whole life can tell, and columns scaled over it."""
    lives = Lives(panel)
    for name in panel.names:
        if lives.is_constant(name):
            yield from _of_events(panel, lives, name)
            yield from _of_columns(panel, lives, name)
        else:
            yield from _scaled(panel, lives, name)


def blind(panel: Panel) -> str:
    """Lives must have several rows."""
    several = int((Lives(panel).rows > 1).sum())
    return "" if several >= LEAST_LIVES else f"not judged: {several} ids have several rows, {LEAST_LIVES} are the least"


def _of_events(panel: Panel, lives: Lives, name: str) -> Iterator[Finding]:
    value = panel.values(name)[panel.starts]
    for about, statistic in lives.event_statistics().items():
        both = np.isfinite(value) & np.isfinite(statistic)
        chance = log10_arrangements(statistic[both])
        if chance >= -np.log10(panel.settings.chance) and is_affine(value[both], statistic[both]):
            yield _finding(name, f"{about} over the whole life", int(both.sum()))
            return


def _of_columns(panel: Panel, lives: Lives, name: str) -> Iterator[Finding]:
    value = panel.values(name)[panel.starts]
    for other in panel.names:
        if other == name or lives.is_constant(other):
            continue
        for about, statistic in lives.column_statistics(other).items():
            informative = np.isfinite(value) & np.isfinite(statistic) & lives.ahead(other, statistic)
            close = np.isclose(value, statistic, rtol=FLOAT32_TOLERANCE, atol=0.0)
            chance = log10_arrangements(statistic[informative])
            enough = informative.sum() >= LEAST_LIVES and chance >= -np.log10(panel.settings.chance)
            if enough and close[informative].mean() >= panel.settings.share:
                yield _finding(name, f"the {about} of {other} over the whole life", int(informative.sum()))
                return


def _scaled(panel: Panel, lives: Lives, name: str) -> Iterator[Finding]:
    found = lives.column_statistics(name)
    long = lives.distinct(name) >= LEAST_VALUES
    if long.sum() < LEAST_LIVES:
        return
    ways = {
        "mean 0 and standard deviation 1": _is(found["mean"], 0.0)
        & (_is(found["std"], 1.0) | _is(found["spread"], 1.0)),
        "least 0 and greatest 1": _is(found["least"], 0.0) & _is(found["greatest"], 1.0),
    }
    for about, scaled in ways.items():
        if scaled[long].mean() >= panel.settings.share:
            lives_found = int(scaled[long].sum())
            reason = (
                f"has {about} in each of {lives_found} of {int(long.sum())} lives: scaled by what only their end tells."
            )
            yield Finding(NAME, name, "stop", reason, {"lives": lives_found})
            return


def _is(values: Floats, wanted: float) -> np.ndarray:
    return np.isclose(values, wanted, rtol=0.0, atol=1e-3)


def _finding(name: str, about: str, lives: int) -> Finding:
    reason = f"is constant over each life and equals {about} in {lives} lives, from their first row on."
    return Finding(NAME, name, "stop", reason, {"lives": lives})
