"""Operating regimes: groups of the settings found in training data, and the sensors' usual values in each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from sklearn.cluster import KMeans
from sklearn.metrics import pairwise_distances_argmin, silhouette_score

from aftercast.models.aliases import Floats
from aftercast.models.kinds.remaining_life.trajectories.table import Trajectories

SEPARATED: Final = 0.8  # mean silhouette above which groups are regimes; a single cloud stays near 0.4
SAMPLE: Final = 2000
SEED: Final = 0
CONSTANT: Final = 1e-8  # a spread below this share of the value is rounding


@dataclass(frozen=True)
class Regimes:
    """k regimes of p settings, and the mean and spread of q sensors in each.

    Attributes
    ----------
    scale
        Spread of each setting in training, p; 1 for a constant setting.
    centres
        Centre of each regime in scaled settings, k x p.
    means, spreads
        Mean and standard deviation of each sensor in each regime, k x q; the spread of a sensor that is constant in a
        regime is its widest spread in any, or 1.
    """

    scale: Floats
    centres: Floats
    means: Floats
    spreads: Floats

    def of_rows(self, settings: Floats) -> npt.NDArray[np.intp]:
        """Regime of each row: the nearest centre, n."""
        return _nearest(settings / self.scale, self.centres)

    def normalise(self, settings: Floats, sensors: Floats) -> Floats:
        """Sensors in standard deviations from the mean of their row's regime, n x q."""
        rows = self.of_rows(settings)
        return (sensors - self.means[rows]) / self.spreads[rows]


def find_regimes(trajectories: Trajectories, most: int = 8) -> Regimes:
    """Find 1 to ``most`` regimes: the k-means grouping of the highest silhouette, if that is clear (Rousseeuw 1987)."""
    settings = trajectories.settings
    spread = settings.std(axis=0)
    scale = np.where(spread > CONSTANT * np.maximum(np.abs(settings).max(axis=0, initial=0), 1e-300), spread, 1.0)
    scaled = settings / scale
    centres = _centres(scaled, most)
    rows = _nearest(scaled, centres)
    means, spreads = _levels(trajectories.sensors, rows, len(centres))
    return Regimes(scale, centres, means, spreads)


def _centres(scaled: Floats, most: int) -> Floats:
    one = scaled.mean(axis=0, keepdims=True)
    sample = _sample(scaled)
    distinct = len(np.unique(sample, axis=0))
    best, chosen = SEPARATED, one
    for k in range(2, min(most, distinct - 1) + 1):
        found = KMeans(k, n_init=10, random_state=SEED).fit(sample)
        clear = float(silhouette_score(sample, found.labels_)) if len(np.unique(found.labels_)) > 1 else 0.0
        if clear > best + 1e-6:
            best, chosen = clear, found.cluster_centers_.astype(np.float64)
    return chosen


def _sample(scaled: Floats) -> Floats:
    if len(scaled) <= SAMPLE:
        return scaled
    return scaled[np.sort(np.random.default_rng(SEED).choice(len(scaled), SAMPLE, replace=False))]


def _nearest(scaled: Floats, centres: Floats) -> npt.NDArray[np.intp]:
    """Nearest centre of each row, n; the first where there is only one, even without settings."""
    if len(centres) == 1:
        return np.zeros(len(scaled), dtype=np.intp)
    return np.asarray(pairwise_distances_argmin(scaled, centres))


def _levels(sensors: Floats, rows: npt.NDArray[np.intp], k: int) -> tuple[Floats, Floats]:
    means = np.stack([sensors[rows == regime].mean(axis=0) for regime in range(k)])
    spreads = np.stack([sensors[rows == regime].std(axis=0) for regime in range(k)])
    spreads = np.where(spreads > CONSTANT * np.abs(means), spreads, 0.0)
    widest = spreads.max(axis=0)
    return means, np.where(spreads > 0, spreads, np.where(widest > 0, widest, 1.0))
