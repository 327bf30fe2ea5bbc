"""The recipe of run-to-failure features: what it learns from training units, and how it turns cycles into features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import pandas as pd

from aftercast.models.aliases import Floats
from aftercast.models.kinds.remaining_life.trajectories.indices import HEALTH, Indices, fit_indices
from aftercast.models.kinds.remaining_life.trajectories.regimes import CONSTANT, Regimes, find_regimes
from aftercast.models.kinds.remaining_life.trajectories.statistics import Sums
from aftercast.models.kinds.remaining_life.trajectories.table import Trajectories
from aftercast.operations.errors import InputError

AGE: Final = "age_cycles"
FUSED: Final = "fused"
SENSORS: Final = "sensors"
Statistic = Callable[[Sums], Floats]


@dataclass(frozen=True)
class RecipeSettings:
    """Spans in cycles of each kind of feature.

    Attributes
    ----------
    baseline
        First cycles of a unit that are taken for its own healthy level.
    recent
        Span of the mean that stands for the present level.
    drifts
        Spans of the means whose distance from the unit's own healthy level is taken; its whole past is added.
    slopes
        Spans of the least squares slopes; its whole past is added.
    most_regimes
        Most operating regimes that are looked for.
    """

    baseline: int = 20
    recent: int = 10
    drifts: tuple[int, ...] = (5, 10, 30, 50, 100)
    slopes: tuple[int, ...] = (20, 50, 100)
    most_regimes: int = 8

    def statistics(self) -> dict[str, Statistic]:
        """How each statistic of all channels of a unit is computed, by name."""
        drifts = {f"drift_{span}": partial(_drift, span=span, baseline=self.baseline) for span in self.drifts}
        slopes = {f"slope_{span}": partial(Sums.slope, span=span) for span in self.slopes}
        return {
            f"mean_{self.recent}": partial(Sums.mean, span=self.recent),
            **drifts,
            "drift_all": partial(_drift, span=np.inf, baseline=self.baseline),
            **slopes,
            "slope_all": partial(Sums.slope, span=np.inf),
        }


def _drift(sums: Sums, span: float, baseline: float) -> Floats:
    """Mean of the span less the unit's own healthy level; over its whole past, the cumulative deviation per cycle."""
    return sums.mean(span) - sums.baseline(baseline)


@dataclass(frozen=True)
class Recipe:
    """What was learnt from training units.

    Attributes
    ----------
    sensors
        All sensor columns, in order.
    kept
        Positions of the sensors that vary within a regime, q.
    regimes
        Operating regimes with the levels of the kept sensors.
    indices
        Health indices of the normalised kept sensors.
    """

    sensors: tuple[str, ...]
    kept: tuple[int, ...]
    regimes: Regimes
    indices: Indices
    settings: RecipeSettings

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the kept sensors, then of the indices."""
        return (*(self.sensors[k] for k in self.kept), *self.indices.names)

    @property
    def names(self) -> tuple[str, ...]:
        """Columns of :meth:`build`."""
        named = (f"{channel}_{name}" for name in self.settings.statistics() for channel in self.channels)
        return (AGE, *named)

    def views(self) -> dict[str, tuple[str, ...]]:
        """Columns of each view: ``fused`` sees indices only, ``sensors`` every sensor and the first index."""
        chosen = {FUSED: self.indices.names, SENSORS: (*(self.sensors[k] for k in self.kept), HEALTH)}
        return {
            view: (AGE, *(f"{channel}_{name}" for name in self.settings.statistics() for channel in channels))
            for view, channels in chosen.items()
        }

    def build(self, trajectories: Trajectories) -> pd.DataFrame:
        """Features of every row from its unit's cycles up to it, float64, n rows."""
        values = self.values(trajectories)
        parts = [self._unit(trajectories.cycles[rows], values[rows]) for rows in trajectories.slices()]
        return pd.DataFrame(np.concatenate(parts), columns=list(self.names))

    def values(self, trajectories: Trajectories) -> Floats:
        """Normalised kept sensors and the indices of each row, n x channels."""
        normal = self.regimes.normalise(trajectories.settings, trajectories.sensors[:, list(self.kept)])
        return np.concatenate((normal, self.indices.of(normal)), axis=1)

    def _unit(self, cycles: Floats, values: Floats) -> Floats:
        sums = Sums(cycles, values)
        found = (compute(sums) for compute in self.settings.statistics().values())
        return np.concatenate([(sums.time + 1.0)[:, None], *found], axis=1)


def fit_recipe(
    trajectories: Trajectories, sensors: Sequence[str], life: Floats, settings: RecipeSettings | None = None
) -> Recipe:
    """Learn regimes, levels and health indices from training units.

    Parameters
    ----------
    trajectories
        Training units, each to its failure.
    sensors
        Names of the sensor columns of ``trajectories``.
    life
        Remaining life in shares of the cap, n, not capped.

    Raises
    ------
    InputError
        If no sensor varies.
    """
    chosen = settings or RecipeSettings()
    regimes = find_regimes(trajectories, chosen.most_regimes)
    normal = regimes.normalise(trajectories.settings, trajectories.sensors)
    kept = np.flatnonzero(normal.std(axis=0) > np.sqrt(CONSTANT))
    if len(kept) == 0:
        raise InputError(f"None of {len(sensors)} sensors varies within an operating regime.", "Hand in other sensors.")
    part = Regimes(regimes.scale, regimes.centres, regimes.means[:, kept], regimes.spreads[:, kept])
    indices = fit_indices(normal[:, kept], life)
    return Recipe(tuple(sensors), tuple(int(k) for k in kept), part, indices, chosen)
