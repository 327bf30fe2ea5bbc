"""Shift: how many failures came since the training for each that was forecast, and a model that takes it into account.

A base rate moves: another season, another batch, other maintenance. A model trained before says too much or too little
then, for everyone alike. What it forecast since its training, and what became of that, is known at each cutoff; so the
odds of the forecasts are moved by that ratio, and nothing else of the model is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from aftercast.features.failure_events import failure_records
from aftercast.features.labels import Labels, Outcome
from aftercast.models.aliases import Floats
from aftercast.models.examples.cases import Cases, usual_horizon
from aftercast.models.hazard import HazardModel
from aftercast.models.kinds import hazard_kind
from aftercast.operations.clocks import DAY_US, timestamp_us

WORTH: Final = 50.0  # forecast events that the belief in an unchanged rate is worth
MOST_WINDOWS: Final = 12
REPORTED: Final = 0.95  # share of the failures that are known when the last window is looked at


@dataclass(frozen=True)
class Shift:
    """Events seen and forecast in windows between the training and a cutoff.

    Attributes
    ----------
    seen, expected
        Events that came, and the sum of the probabilities that they would, by component.
    windows, window_us
        How many windows, and how long each is.
    """

    components: tuple[str, ...]
    seen: tuple[int, ...]
    expected: tuple[float, ...]
    windows: int
    window_us: int

    @property
    def factor(self) -> float:
        """Factor of the odds for all components together.

        It is the mean of the posterior of the rate's ratio: events are Poisson with the forecast mean times the ratio,
        whose prior is a gamma distribution with mean 1 that is worth :data:`WORTH` forecast events (Gelman et al. 2013,
        section 2.6).
        """
        return (sum(self.seen) + WORTH) / (sum(self.expected) + WORTH)

    @property
    def factors(self) -> Floats:
        """Factor of the odds of each component, shape (C,): its own events around the factor of all of them."""
        return (np.array(self.seen) + WORTH * self.factor) / (np.array(self.expected) + WORTH)

    @property
    def log_odds(self) -> tuple[Floats, float]:
        """By how much the log-odds move: of each component, shape (C,), and of any."""
        return np.log(self.factors), math.log(self.factor)

    @property
    def sentence(self) -> str:
        """What was seen and done, for people; empty where no window is over."""
        if self.windows == 0:
            return ""
        days = self.windows * self.window_us / DAY_US
        return (
            f"In {days:g} days since the training {sum(self.seen):,} events came and {sum(self.expected):,.1f} were "
            f"forecast: odds are multiplied by {self.factor:.2f}."
        )

    def apply(self, model: HazardModel) -> HazardModel:
        """Model with its odds moved; the model itself where no window is over."""
        return model if self.windows == 0 else model.shifted(*self.log_odds)


def no_shift(model: HazardModel) -> Shift:
    """Shift of a model nothing is known of since its training."""
    none = len(model.components)
    return Shift(model.components, (0,) * none, (0.0,) * none, 0, usual_horizon(model.horizons_us))


def window_starts(trained_until_us: int, end_us: int, window_us: int) -> list[int]:
    """Starts of the windows that lie one after another between the training and an end, the last first, at most 12.

    >>> window_starts(10, 40, 10)
    [30, 20, 10]
    """
    count = min((end_us - trained_until_us) // window_us, MOST_WINDOWS)
    return [end_us - (k + 1) * window_us for k in range(count)]


def known_starts(
    kind: str, outcome: Outcome, trained_until: pd.Timestamp, cutoff: pd.Timestamp, window_us: int
) -> list[int]:
    """Starts of the windows whose events are known at the cutoff but for late reports, microseconds.

    The last window ends at a midnight, as long before the cutoff as it takes until 95 % of the failures are reported.

    Parameters
    ----------
    outcome
        As known at the cutoff.
    """
    end = (timestamp_us(cutoff) - hazard_kind(kind).reporting_delay_us(outcome)) // DAY_US * DAY_US
    return window_starts(timestamp_us(trained_until), end, window_us)


def failure_reporting_delay_us(outcome: Outcome) -> int:
    """Time from a failure to its first report, not exceeded by 95 % of those known."""
    history = outcome.devices
    records, failed = failure_records(outcome.spec, history.failures, history.repairs)
    known = pd.DataFrame({"owner": records.owner, "key": records.key, "event": records.event_us})[failed]
    first = known.assign(available=records.available_us[failed]).groupby(["owner", "key", "event"])["available"].min()
    delay = first.to_numpy() - first.index.get_level_values("event").to_numpy()
    return 0 if len(delay) == 0 else max(int(np.quantile(delay, REPORTED, method="higher")), 0)


def shift_in(cases: Cases, model: HazardModel, outcome: Outcome, starts: Sequence[int], cutoff: pd.Timestamp) -> Shift:
    """Shift of a model in the windows that begin at the starts.

    Parameters
    ----------
    cases
        Everything at risk at the starts.
    outcome
        As known at the cutoff.
    """
    window = usual_horizon(model.horizons_us)
    forecast = model.predict(cases.features).within(window)[0]
    return shift_of(forecast, cases.labels(outcome, cutoff), window, len(starts))


def shift_of(forecast: Floats, labels: Labels, window_us: int, windows: int) -> Shift:
    """Shift of the probabilities of each component within a window from its start, shape (n, C).

    A row that was watched for a part of its window, because the device retired or was treated, counts as that part.
    """
    share = np.clip(labels.follow_up_us / window_us, 0.0, 1.0)
    seen = labels.event_within(0, window_us) & labels.valid[:, None]
    expected = (forecast * np.where(seen, 1.0, share * labels.valid[:, None])).sum(axis=0)
    return Shift(labels.components, tuple(seen.sum(axis=0).tolist()), tuple(expected.tolist()), windows, window_us)
