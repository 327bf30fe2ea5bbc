"""The rows of a whole fleet that an anomaly view learns from and judges, read from a store."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from aftercast.data.fleet import FleetSpec
from aftercast.data.store import Store
from aftercast.features.build import build_device_features
from aftercast.features.examples import Examples, device_examples
from aftercast.features.history import load_history
from aftercast.models.aliases import Ints, Progress
from aftercast.models.examples.cases import joined
from aftercast.models.kind import Reading
from aftercast.models.kinds.anomaly.signals import SHARE, signals_of
from aftercast.operations.clocks import parse_duration_us, timestamp_us
from aftercast.operations.errors import NotEnoughDataError

REFERENCE: Final = "365d"


def cutoffs_before(read: Reading) -> Ints:
    """Cutoffs up to the end of what is read, ``training.cutoff_every`` apart: as far back as telemetry, at most a year.

    Returns
    -------
    array
        Ascending, microseconds.

    Raises
    ------
    NotEnoughDataError
        If there is no telemetry before the cutoff.
    """
    times = read.store.read("telemetry", version=read.version, known_at=read.until, columns=["event_time"])[
        "event_time"
    ]
    if times.dropna().empty:
        raise NotEnoughDataError(
            "The store holds no telemetry before the cutoff, so nothing can be unusual.", "Import telemetry."
        )
    every, last = parse_duration_us(read.spec.training.cutoff_every), timestamp_us(read.until)
    first = max(timestamp_us(times.min()), last - parse_duration_us(REFERENCE))
    return np.arange(last, first, -every, dtype=np.int64)[::-1]


def telemetry_rows(
    store: Store,
    spec: FleetSpec,
    cutoffs_us: Ints,
    *,
    version: int,
    progress: Progress | None = None,
) -> tuple[pd.DataFrame, Examples]:
    """Feature columns that a view needs, of every device in the field at the cutoffs, bucket by bucket.

    Raises
    ------
    NotEnoughDataError
        If no device is in the field at any cutoff.
    """
    parts: list[tuple[Examples, pd.DataFrame]] = []
    for bucket in range(store.device_buckets):
        history = load_history(store, spec, version=version, bucket=bucket)
        examples = device_examples(history, cutoffs_us)
        if len(examples) > 0:
            frame = build_device_features(history, examples, stage="device")
            parts.append((examples, frame[_columns(frame, spec)]))
        if progress is not None:
            progress(f"bucket {bucket + 1} of {store.device_buckets},", len(examples))
    if not parts:
        raise NotEnoughDataError("No device is in the field at any cutoff.", "Import devices.")
    examples, features = joined(parts)
    return features, examples


def _columns(frame: pd.DataFrame, spec: FleetSpec) -> list[str]:
    wanted = {signal.column for signal in signals_of(spec)} | {f"{name}_age_hours" for name in spec.component_names}
    wanted |= {"telemetry_age_hours", "device_model"}
    return [name for name in frame.columns if name in wanted or name.startswith(SHARE)]
