"""Cases: examples of a store at many cutoffs with their features and labels, bucket by bucket."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from aftercast.data.fleet import FleetSpec
from aftercast.data.store import Store, span_of_times
from aftercast.features.build import build_customer_features, build_device_features, concat_features
from aftercast.features.cohort import add_cohort_features
from aftercast.features.customer_history import load_customer_history
from aftercast.features.dictionary import dictionary_hash, feature_dictionary
from aftercast.features.examples import Examples, customer_examples, device_examples
from aftercast.features.history import AttributeKind, load_history
from aftercast.features.labels import Labels, Outcome
from aftercast.features.outcome import followed_of
from aftercast.models.aliases import Ints, Mask, Progress
from aftercast.models.examples.splits import training_cutoffs
from aftercast.models.kinds import hazard_kind, kind_of
from aftercast.operations.clocks import DAY_US, parse_duration_us, timestamp_us
from aftercast.operations.errors import NotEnoughDataError

USUAL_HORIZON_US: Final = 7 * DAY_US
OLD_EXPORT: Final = pd.Timedelta(days=14)
"""How long before the other tables the one that tells of events may end before trainings end there, too."""


@dataclass(frozen=True)
class Cases:
    """Examples with their features, n aligned rows.

    Attributes
    ----------
    dictionary_hash
        Digest of the feature dictionary the columns follow.
    """

    kind: str
    examples: Examples
    features: pd.DataFrame
    dictionary_hash: str

    def take(self, rows: Mask) -> Cases:
        """Return the rows where the mask is true."""
        features = self.features[rows].reset_index(drop=True)
        return Cases(self.kind, self.examples.take(rows), features, self.dictionary_hash)

    def labels(self, outcome: Outcome, observed_until: pd.Timestamp) -> Labels:
        """Labels of the rows; cutoffs must be before ``observed_until``."""
        return hazard_kind(self.kind).labels(outcome, self.examples, observed_until=observed_until)


def build_cases(
    kind: str,
    store: Store,
    spec: FleetSpec,
    cutoffs_us: Ints,
    *,
    version: int,
    known_at: pd.Timestamp | None = None,
    progress: Progress | None = None,
) -> Cases:
    """Everything at risk at the cutoffs, with features as they could be known then.

    Parameters
    ----------
    known_at
        Leave out what became available later; features are exact at each cutoff with or without it.

    Raises
    ------
    NotEnoughDataError
        If nothing is at risk at any cutoff.
    """
    if hazard_kind(kind).grain == "customer_id":
        customers = load_customer_history(store, spec, version=version, known_at=known_at)
        examples = customer_examples(customers, cutoffs_us)
        _require(len(examples), kind)
        digest = dictionary_hash(feature_dictionary(spec, "customer_id", customers.attributes))
        return Cases(kind, examples, build_customer_features(customers, examples), digest)
    parts: list[tuple[Examples, pd.DataFrame]] = []
    attributes: dict[str, AttributeKind] = {}
    for bucket in range(store.device_buckets):
        history = load_history(store, spec, version=version, known_at=known_at, bucket=bucket)
        examples = device_examples(history, cutoffs_us)
        attributes = dict(history.attributes) or attributes
        if len(examples) > 0:
            parts.append((examples, build_device_features(history, examples, stage="device")))
        if progress is not None:
            progress(f"features of bucket {bucket + 1} of {store.device_buckets}", len(examples))
    _require(sum(len(examples) for examples, _ in parts), kind)
    merged, features = joined(parts)
    complete = add_cohort_features(features, merged, spec)
    return Cases(kind, merged, complete, dictionary_hash(feature_dictionary(spec, "device_id", attributes)))


def horizons_of(kind: str, spec: FleetSpec) -> tuple[int, ...]:
    """Horizons of the spec, ascending, microseconds."""
    return tuple(parse_duration_us(text) for text in hazard_kind(kind).horizons(spec))


def usual_horizon(horizons_us: Sequence[int] | Ints) -> int:
    """Horizon people look at first: the longest up to 7 days, or the first.

    >>> usual_horizon([1 * DAY_US, 5 * DAY_US, 30 * DAY_US]) // DAY_US, usual_horizon([30 * DAY_US]) // DAY_US
    (5, 30)
    """
    return int(max((h for h in horizons_us if h <= USUAL_HORIZON_US), default=horizons_us[0]))


def cadence_us(kind: str, spec: FleetSpec) -> int:
    """Time between training cutoffs."""
    return hazard_kind(kind).cadence_us(spec)


def first_moment(kind: str, store: Store, version: int, known_at: pd.Timestamp) -> int:
    """When the records a kind learns from begin, microseconds: the first time of the first table that has any.

    A few rows far before all others do not count: their clock was not set.

    Parameters
    ----------
    known_at
        Leave out what became available later: old records that arrive late must not add cutoffs to earlier trainings.

    Raises
    ------
    NotEnoughDataError
        If no event was known then.
    """
    tables = hazard_kind(kind).first_events
    for table, column in tables.items():
        times = store.read(table, version=version, known_at=known_at, columns=[column])[column]
        span = span_of_times(times)
        if span is not None:
            return timestamp_us(span.first)
    raise NotEnoughDataError(
        f"Until {known_at:%Y-%m-%d %H:%M} the store knew no events to learn from.",
        f"Import one of {', '.join(tables)}, or train until later.",
    )


def training_grid(kind: str, store: Store, spec: FleetSpec, version: int, until: pd.Timestamp) -> Ints:
    """Cutoffs that a training until an instant learns from, microseconds; raises as :func:`first_moment`."""
    return training_cutoffs(first_moment(kind, store, version, until), timestamp_us(until), cadence_us(kind, spec))


def training_end(
    kind: str, store: Store, spec: FleetSpec, *, version: int | None, until: pd.Timestamp | None
) -> tuple[int, pd.Timestamp]:
    """As :func:`known_until`, and at most until the table that tells of the events ends, if it ends weeks before.

    An export of failures that is older than the telemetry leaves nothing to learn after its end; a few days without an
    event are no such thing, and labels are censored there.
    """
    version, end = known_until(store, version, until)
    told = followed_of(store, spec, version).get(kind_of(kind).told_by(spec), end)
    return version, told if end - told > OLD_EXPORT else end


def known_until(store: Store, version: int | None, until: pd.Timestamp | None) -> tuple[int, pd.Timestamp]:
    """Version to read (the newest where None), and until when: at most the end of observation (UTC).

    Raises
    ------
    NotEnoughDataError
        If the store holds no data.
    """
    version = store.version() if version is None else version
    observed = store.observed_until(version)
    if observed is None:
        raise NotEnoughDataError("The workspace holds no data.", "Run `aftercast import SOURCE PATH`.")
    return version, observed if until is None else min(observed, until)


def joined(parts: list[tuple[Examples, pd.DataFrame]]) -> tuple[Examples, pd.DataFrame]:
    """Rows of all parts by id and cutoff, for devices."""
    ids = np.concatenate([examples.ids for examples, _ in parts])
    cutoffs = np.concatenate([examples.cutoff_us for examples, _ in parts])
    order = np.lexsort((cutoffs, ids))
    features = concat_features([frame for _, frame in parts])
    return Examples(ids[order], cutoffs[order], "device_id"), features.iloc[order].reset_index(drop=True)


def _require(rows: int, kind: str) -> None:
    if rows == 0:
        noun = hazard_kind(kind).entity.noun
        raise NotEnoughDataError(f"No {noun} is at risk at any cutoff.", f"Import {noun}s and their history.")
