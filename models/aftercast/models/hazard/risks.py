"""Risks: calibrated probabilities within each horizon, made of the hazards of the intervals between horizons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from aftercast.models.aliases import Floats, Ints
from aftercast.operations.clocks import format_duration
from aftercast.operations.errors import ModelMismatchError

LOWEST: Final = 1e-12
HIGHEST: Final = 1.0 - 1e-9


@dataclass(frozen=True)
class Risks:
    """Probabilities of n examples.

    Attributes
    ----------
    probability
        Shape (n, H, C): P(component c fails within (T, T + h]); never decreasing in h.
    any_probability
        Shape (n, H): P(any component fails), components taken as independent given the features.
    horizons_us
        Shape (H,), ascending, microseconds.
    """

    probability: Floats
    any_probability: Floats
    horizons_us: Ints
    components: tuple[str, ...]

    def within(self, duration_us: int) -> tuple[Floats, Floats]:
        """Probabilities within a duration, shapes (n, C) and (n,): the hazard is constant inside an interval.

        Raises
        ------
        ModelMismatchError
            If the duration is not in (0, longest horizon].
        """
        if not 0 < duration_us <= int(self.horizons_us[-1]):
            raise ModelMismatchError(
                f"The model forecasts up to {format_duration(int(self.horizons_us[-1]))}, "
                f"not {format_duration(duration_us)}.",
                "Ask for a shorter horizon, or train with longer horizons in fleet.toml.",
            )
        at = int(np.searchsorted(self.horizons_us, duration_us))
        if int(self.horizons_us[at]) == duration_us:
            return self.probability[:, at], self.any_probability[:, at]
        start = 0 if at == 0 else int(self.horizons_us[at - 1])
        share = (duration_us - start) / (int(self.horizons_us[at]) - start)
        survival = np.log1p(-np.minimum(self.probability, HIGHEST))
        before = survival[:, at - 1] if at > 0 else np.zeros_like(survival[:, 0])
        total = before + share * (survival[:, at] - before)
        return -np.expm1(total), -np.expm1(total.sum(axis=1))


def combine(hazards: Floats, horizons_us: Ints, components: tuple[str, ...]) -> Risks:
    """Risks of interval hazards, shape (n, H, C): ``P(h_k) = 1 - prod_{j <= k} (1 - hazard_j)``.

    Sums of logarithms keep the order of horizons exact in floating point.

    Examples
    --------
    >>> risks = combine(np.array([[[0.5], [0.5]]]), np.array([1, 2]), ("a",))
    >>> risks.probability[0, :, 0].round(12).tolist()
    [0.5, 0.75]
    """
    survival = np.cumsum(np.log1p(-np.clip(hazards, LOWEST, HIGHEST)), axis=1)
    least = np.log1p(-HIGHEST)  # of many certain intervals nothing would be left, and the risk would be exactly 1
    part, whole = np.maximum(survival, least), np.maximum(survival.sum(axis=2), least)
    return Risks(-np.expm1(part), -np.expm1(whole), horizons_us, components)
