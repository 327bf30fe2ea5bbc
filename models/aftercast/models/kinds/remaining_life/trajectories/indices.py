"""Health indices: sensors fused into few numbers that carry less noise than any of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from sklearn.decomposition import PCA

from aftercast.models.aliases import Floats

HEALTH: Final = "health"
RIDGE: Final = 1.0
NEAR: Final = (0.24, 0.48, 0.8)  # horizons of remaining life, in shares of the cap, over which an index is straight
FAR: Final = 2.0
FAILING: Final = 0.24  # rows with less remaining life show which way units fail
DIRECTIONS: Final = 3


@dataclass(frozen=True)
class Indices:
    """Linear combinations of normalised sensors.

    Attributes
    ----------
    names
        ``health`` first, r in all.
    weights
        Weight of each sensor, q x r.
    constants
        Added to each index, r.
    """

    names: tuple[str, ...]
    weights: Floats
    constants: Floats

    def of(self, normal: Floats) -> Floats:
        """Indices of each row, n x r, added sensor by sensor so that a row's result does not depend on other rows."""
        total = np.tile(self.constants, (len(normal), 1))
        for column in range(normal.shape[1]):
            total += normal[:, column, None] * self.weights[None, column]
        return total


def fit_indices(normal: Floats, life: Floats) -> Indices:
    """Learn the indices of training units.

    ``health`` is 1 for a healthy row and 0 at failure; ``health_near`` ones look at the last part of life only,
    ``health_far`` beyond the cap, ``urgency`` is steepest at the end; ``failing`` ones are the principal directions of
    failing rows, which differ between ways to fail where a healthy unit's do not.

    Parameters
    ----------
    normal
        Normalised sensors, n x q.
    life
        Remaining life in shares of the cap, n, not capped.
    """
    everywhere = np.ones(len(life), dtype=bool)
    wanted = {HEALTH: (everywhere, np.minimum(life, 1.0)), "health_far": (everywhere, np.minimum(life, FAR))}
    wanted |= {f"health_near_{round(100 * near)}": (life < near, life / near) for near in NEAR}
    wanted["urgency"] = (everywhere, np.exp(-life / FAILING))
    fitted = np.stack([_ridge(normal[rows], target[rows]) for rows, target in wanted.values()], axis=1)
    directions = _directions(normal[life < FAILING])
    names = (*wanted, *(f"failing_{k}" for k in range(directions.shape[1])))
    weights = np.concatenate((fitted[:-1], directions), axis=1)
    return Indices(names, weights, np.concatenate((fitted[-1], np.zeros(directions.shape[1]))))


def _ridge(normal: Floats, target: Floats) -> Floats:
    """Ridge regression of the target on sensors, constant last and not shrunk."""
    design = np.column_stack([normal, np.ones(len(normal))])
    penalty = np.diag(np.append(np.full(normal.shape[1], RIDGE), 0.0))
    return np.linalg.solve(design.T @ design + penalty, design.T @ target)


def _directions(normal: Floats) -> Floats:
    """Principal directions of rows, q x (at most 3), the widest first, largest weight positive."""
    found = PCA(min(DIRECTIONS, *normal.shape), svd_solver="covariance_eigh").fit(normal).components_.T
    return np.asarray(found)
