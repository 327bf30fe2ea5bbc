"""A kind that exists only in these tests, one folder: which customers complain next, learnt from their contacts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import pandas as pd

from aftercast.data.fleet import FleetSpec
from aftercast.features.examples import Examples
from aftercast.features.failure_events import is_in
from aftercast.features.labels import Labels, Outcome
from aftercast.features.outcome import final_versions
from aftercast.features.windows.events import next_event
from aftercast.models.kinds.hazards import HazardKind
from aftercast.models.words.hazard_words import HazardWords
from aftercast.operations.clocks import NEVER, timestamp_us


class ComplaintKind(HazardKind):
    """Customers who contact us to complain."""

    name = "complaint"
    grain = "customer_id"
    title = "Complaints"
    about = "the probability that a customer complains within a time."
    usual_horizon = "30d"
    first_events: ClassVar[Mapping[str, str]] = {"contacts": "event_time", "customers": "since"}
    words = HazardWords(event="complaint", verb="complains", act="call", by_component=False)

    def horizons(self, spec: FleetSpec) -> tuple[str, ...]:
        """Two months, whatever the fleet spec says."""
        del spec
        return ("7d", "30d", "60d")

    def labels(self, outcome: Outcome, examples: Examples, *, observed_until: pd.Timestamp) -> Labels:
        """Time to the next contact of kind complaint; each customer is followed until the end of observation."""
        history = outcome.customers
        contacts = final_versions(history.contacts)
        complaints = contacts.take(is_in(contacts.columns["kind"], ("complaint",)))
        offsets = examples.offsets(history.customer_ids)
        event = next_event(complaints.offsets, complaints.event_us, offsets, examples.cutoff_us)
        end = timestamp_us(observed_until)
        follow_up = end - examples.cutoff_us
        time = np.where(event <= end, event - examples.cutoff_us, NEVER)
        return Labels(time[:, None], follow_up[:, None], ("complaint",), follow_up > 0)


KIND = ComplaintKind()
