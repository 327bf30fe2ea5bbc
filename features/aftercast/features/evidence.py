"""What an answer rests on: telemetry, service history, or only the cohort; and how fresh it is."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from aftercast.data.fleet import FleetSpec
from aftercast.features.customer_history import CUSTOMER_TABLES, CustomerHistory
from aftercast.features.examples import Examples
from aftercast.features.history import DEVICE_TABLES, History
from aftercast.features.views import age, faults, repairs, silence
from aftercast.features.windows.events import known_version
from aftercast.operations.clocks import HOUR_US, NEVER, from_us, parse_duration_us

EVER: Final = (faults.EVER, age.EVER, repairs.EVER)


def evidence_class(features: pd.DataFrame, spec: FleetSpec) -> npt.NDArray[np.str_]:
    """Evidence of each row, shape (n,).

    "telemetry" where the last report is no older than ``features.stale_after``, else "history" where the device ever
    had a fault, failure or work order, else "cohort".
    """
    stale_hours = parse_duration_us(spec.features.stale_after) / HOUR_US
    fresh = features[silence.AGE].to_numpy() <= stale_hours
    known = features[list(EVER)].to_numpy().sum(axis=1) > 0
    return np.where(fresh, "telemetry", np.where(known, "history", "cohort"))


def data_as_of(history: History | CustomerHistory, examples: Examples) -> pd.DatetimeIndex:
    """Newest ``available_at`` at or before each cutoff among the records of each id, shape (n,); NaT without any."""
    tables = DEVICE_TABLES if isinstance(history, History) else CUSTOMER_TABLES
    offsets = examples.offsets(history.device_ids if isinstance(history, History) else history.customer_ids)
    newest = np.full(len(examples), np.iinfo(np.int64).min)
    for name in tables:
        records = getattr(history, name)
        available = records.available_us[np.lexsort((records.available_us, records.owner))]
        position = known_version(records.offsets, available, offsets, examples.cutoff_us)
        known = position >= 0
        newest[known] = np.maximum(newest[known], available[position[known]])
    return from_us(np.where(newest == np.iinfo(np.int64).min, NEVER, newest))
