"""Age: the actuarial (life-table) hazard by age of the component since its last renewal, by tenure for customers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from aftercast.models.aliases import Floats, Mask
from aftercast.models.baselines.base import Baseline, BaselineData, outcomes, rate

BANDS: Final = 20
STRENGTH: Final = 50.0  # rows of the base rate that each band is mixed with


@dataclass(frozen=True)
class Table:
    """Life table of one component.

    Attributes
    ----------
    column
        Feature that holds the age; None where there is none.
    edges
        Inner edges of the age bands, shape (b - 1,).
    rates
        Probability of failing within the horizon from each band, last for rows of unknown age, shape (b + 1,).
    """

    column: str | None
    edges: Floats
    rates: Floats

    def predict(self, features: pd.DataFrame) -> Floats:
        """Probability of each row, shape (n,)."""
        return self.rates[bands(_ages(features, self.column), self.edges)]


@dataclass(frozen=True)
class Age:
    """Life tables of all components."""

    tables: tuple[Table, ...]

    def predict(self, features: pd.DataFrame) -> Floats:
        """Probability of each component, shape (n, C)."""
        return np.stack([table.predict(features) for table in self.tables], axis=1)


def bands(age: Floats, edges: Floats) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Band of each age, shape (n,); unknown ages are in the band after the last."""
    return np.where(np.isnan(age), len(edges) + 1, np.searchsorted(edges, age, side="right"))


def _ages(features: pd.DataFrame, column: str | None) -> Floats:
    return np.full(len(features), np.nan) if column is None else features[column].to_numpy(dtype=np.float64)


def _table(features: pd.DataFrame, column: str | None, event: Mask) -> Table:
    age = _ages(features, column)
    known = age[~np.isnan(age)]
    edges = np.unique(np.quantile(known, np.linspace(0, 1, BANDS + 1)[1:-1])) if len(known) else np.empty(0)
    base = rate(float(event.sum()), len(event))
    band = bands(age, edges)
    rows = np.bincount(band, minlength=len(edges) + 2)
    events = np.bincount(band, weights=event, minlength=len(edges) + 2)
    return Table(column, edges, (events + STRENGTH * base) / (rows + STRENGTH))


def _column(component: str, features: pd.DataFrame) -> str | None:
    wanted = (f"{component}_age_hours", "device_age_days", "tenure_days")
    return next((name for name in wanted if name in features.columns), None)


def _fit(data: BaselineData) -> Age:
    names = data.labels.components
    return Age(
        tuple(
            _table(data.features.iloc[rows], _column(names[c], data.features), event)
            for c, rows, event in outcomes(data)
        )
    )


BASELINE = Baseline("age", "life table by age since the last renewal (by tenure for customers)", _fit)
