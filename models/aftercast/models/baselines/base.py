"""What a baseline is: a forecast at one horizon, fitted on the same rows as the model, of plain means."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from aftercast.data.fleet import FleetSpec
from aftercast.features.labels import Labels
from aftercast.models.aliases import Floats, Mask


@dataclass(frozen=True)
class BaselineData:
    """What a baseline is fitted on: n rows of features with aligned labels."""

    features: pd.DataFrame
    labels: Labels
    horizon_us: int
    spec: FleetSpec
    seed: int = 0

    def known(self, component: int) -> npt.NDArray[np.intp]:
        """Rows whose outcome within the horizon is known."""
        known = self.labels.known_within(self.horizon_us)[:, component] & self.labels.valid
        return np.flatnonzero(known)

    def event(self, component: int) -> Mask:
        """Whether the component failed within the horizon, of the known rows."""
        return self.labels.event_within(0, self.horizon_us)[self.known(component), component]


class Fitted(Protocol):
    """A fitted baseline."""

    def predict(self, features: pd.DataFrame) -> Floats:
        """Probability of each component within the horizon, shape (n, C)."""
        ...


@dataclass(frozen=True)
class Baseline:
    """A baseline by name.

    Attributes
    ----------
    about
        One sentence for reports.
    """

    name: str
    about: str
    fit: Callable[[BaselineData], Fitted]


@cache
def baselines() -> tuple[Baseline, ...]:
    """Every baseline of this folder, by name."""
    names = sorted(m.name for m in pkgutil.iter_modules([str(Path(__file__).parent)]) if m.name != "base")
    found = (importlib.import_module(f"{__package__}.{name}").BASELINE for name in names)
    return tuple(sorted(found, key=lambda baseline: baseline.name))


def rate(events: float, rows: float) -> float:
    """Share of events, Jeffreys prior: never 0 or 1.

    >>> rate(0, 9)
    0.05
    """
    return (events + 0.5) / (rows + 1.0)


def outcomes(data: BaselineData) -> Iterator[tuple[int, npt.NDArray[np.intp], Mask]]:
    """Each component's number, its known rows and whether they failed."""
    for c in range(len(data.labels.components)):
        yield c, data.known(c), data.event(c)
