"""Base rate: every device has the risk of the average device."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from aftercast.models.aliases import Floats
from aftercast.models.baselines.base import Baseline, BaselineData, outcomes, rate


@dataclass(frozen=True)
class BaseRate:
    """Share of failures by component, shape (C,)."""

    rates: Floats

    def predict(self, features: pd.DataFrame) -> Floats:
        """Return the rates for every row, shape (n, C)."""
        return np.tile(self.rates, (len(features), 1))


def _fit(data: BaselineData) -> BaseRate:
    return BaseRate(np.array([rate(float(event.sum()), len(rows)) for _, rows, event in outcomes(data)]))


BASELINE = Baseline("base_rate", "the share of failures in training, for every row", _fit)
