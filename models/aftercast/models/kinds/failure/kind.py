"""The kind ``failure``: the population, labels and words of failing devices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import pandas as pd

from aftercast.data.fleet import FleetSpec
from aftercast.features.examples import Examples
from aftercast.features.labels import Labels, Outcome, failure_labels
from aftercast.models.fit.base_rate_shift import failure_reporting_delay_us
from aftercast.models.kinds.hazards import HazardKind
from aftercast.models.words.hazard_words import HazardWords


class FailureKind(HazardKind):
    """Devices at risk, the confirmed failures of their components, and what to do about them."""

    name = "failure"
    grain = "device_id"
    title = "Failures"
    about = "the probability that a device fails within a time, and which component of it."
    path = "failure-risk"
    usual_horizon = "7d"
    first_events: ClassVar[Mapping[str, str]] = {
        "telemetry": "event_time",
        "failures": "event_time",
        "faults": "event_time",
        "repairs": "opened_at",
    }
    words = HazardWords(event="failure", verb="fails", act="visit", by_component=True)

    def horizons(self, spec: FleetSpec) -> tuple[str, ...]:
        """Horizons of the fleet spec."""
        return spec.horizons

    def told_by(self, spec: FleetSpec) -> str:
        """Table that the fleet spec takes failures from."""
        return spec.failures_from

    def labels(self, outcome: Outcome, examples: Examples, *, observed_until: pd.Timestamp) -> Labels:
        """Time to the next failure of each component, see :func:`failure_labels`."""
        return failure_labels(outcome, examples, observed_until=observed_until)

    def reporting_delay_us(self, outcome: Outcome) -> int:
        """Time from a failure until 95 % of them are reported."""
        return failure_reporting_delay_us(outcome)
