"""The kind ``churn``: the population, labels and words of customers who leave."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from aftercast.data.fleet import FleetSpec
from aftercast.data.store import Store
from aftercast.features.examples import Examples
from aftercast.features.labels import Labels, Outcome, churn_labels
from aftercast.models.examples.consent import customers_who_refused
from aftercast.models.kinds.hazards import HazardKind
from aftercast.models.words.hazard_words import HazardWords
from aftercast.operations.clocks import parse_duration_us

WEEK_US: Final = parse_duration_us("7d")


class ChurnKind(HazardKind):
    """Customers who may leave, when they left, and what to do about it."""

    name = "churn"
    grain = "customer_id"
    title = "Customers leaving"
    about = "the probability that a customer leaves within a time."
    path = "churn-risk"
    usual_horizon = "30d"
    first_events: ClassVar[Mapping[str, str]] = {
        "purchases": "event_time",
        "contacts": "event_time",
        "customers": "since",
    }
    words = HazardWords(event="leaving", verb="leaves", act="call", by_component=False)

    def horizons(self, spec: FleetSpec) -> tuple[str, ...]:
        """Horizons of the fleet spec for customers."""
        return spec.churn.horizons

    def told_by(self, spec: FleetSpec) -> str:
        """Customers with the date they left, or purchases that come to an end."""
        return "customers" if spec.churn.rule == "left_at" else "purchases"

    def labels(self, outcome: Outcome, examples: Examples, *, observed_until: pd.Timestamp) -> Labels:
        """Time until each customer leaves, see :func:`churn_labels`."""
        return churn_labels(outcome, examples, observed_until=observed_until)

    def cadence_us(self, spec: FleetSpec) -> int:
        """Time between training cutoffs: a week at least, since customers change slowly."""
        return max(super().cadence_us(spec), WEEK_US)

    def refusals(self, store: Store, *, version: int, known_at: pd.Timestamp) -> npt.NDArray[np.str_]:
        """Customers who refused to be learnt from."""
        return customers_who_refused(store, version=version, known_at=known_at)
