"""A kind of event to forecast: to whom it happens, when it happened, and how far ahead it is forecast."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from aftercast.data.fleet import FleetSpec
from aftercast.data.store import Store
from aftercast.features.examples import Examples, Grain
from aftercast.features.labels import Labels, Outcome
from aftercast.models.examples.entities import ENTITIES, Entity
from aftercast.operations.clocks import parse_duration_us


class EventKind(ABC):
    """What examples, labels and horizons need to know of a kind.

    Attributes
    ----------
    grain
        What the ids of its rows are.
    first_events
        Contract table -> column of its times: the records of the fleet begin with the first of the first table that has
        any.
    usual_horizon
        What people look at first, as text.
    """

    grain: ClassVar[Grain]
    first_events: ClassVar[Mapping[str, str]]
    usual_horizon: ClassVar[str]

    @property
    def entity(self) -> Entity:
        """What its rows are about."""
        return ENTITIES[self.grain]

    @abstractmethod
    def horizons(self, spec: FleetSpec) -> tuple[str, ...]:
        """Horizons of its models, ascending, as text."""

    @abstractmethod
    def labels(self, outcome: Outcome, examples: Examples, *, observed_until: pd.Timestamp) -> Labels:
        """Time from each cutoff to its events; cutoffs must be before ``observed_until``."""

    def cadence_us(self, spec: FleetSpec) -> int:
        """Time between training cutoffs, microseconds."""
        return parse_duration_us(spec.training.cutoff_every)

    def refusals(self, store: Store, *, version: int, known_at: pd.Timestamp) -> npt.NDArray[np.str_]:
        """Ids that no training may learn from, as known at an instant; none by default."""
        del store, version, known_at
        return np.array([], dtype=np.str_)

    def reporting_delay_us(self, outcome: Outcome) -> int:
        """Time from an event until 95 % of its kind are reported, microseconds; 0 by default."""
        del outcome
        return 0
