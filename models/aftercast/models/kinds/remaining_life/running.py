"""Units still running, as they were known at an instant; those that cannot be judged stay, and say what is missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from aftercast.models.kind import Reading
from aftercast.models.kinds.remaining_life.from_store import Asked, frame_of, joined, natural
from aftercast.models.kinds.remaining_life.lives import Life, load_lives
from aftercast.models.kinds.remaining_life.settings import RemainingLifeSettings
from aftercast.models.kinds.remaining_life.trajectories.table import UNIT
from aftercast.operations.clocks import NEVER, from_us, parse_duration_us, timestamp_us


@dataclass(frozen=True)
class RunningUnits:
    """Units still running.

    Attributes
    ----------
    frame
        Rows of the units that can be judged, as of :class:`FailedUnits`.
    units
        One row a unit, natural order: ``unit``, ``device_model``, ``since`` (UTC: installation or last renewal),
        ``cycles``, ``last_cycle_at`` (UTC, NaT without a cycle), ``judged``, ``retired``, ``notice`` (None where
        nothing is to be said; always says why a unit is not judged).
    """

    frame: pd.DataFrame
    units: pd.DataFrame


def running_units(read: Reading, asked: Asked, settings: RemainingLifeSettings) -> RunningUnits:
    """Read the running life of each device that is in the field or has sent telemetry in it.

    A unit of at most ``settings.youngest`` cycles, or one that never reported a column, is not judged.
    """
    stale_us = parse_duration_us(read.spec.features.stale_after)
    known_us = timestamp_us(read.until)
    places = list(range(len(asked.columns)))
    frames: dict[str, pd.DataFrame] = {}
    rows: list[dict[str, Any]] = []
    for bucket, devices in load_lives(read, asked.component, asked.columns):
        for life in (each.running for each in devices if each.running is not None):
            retired = life.retired_us <= known_us
            if life.began_us > known_us or (retired and len(life.times_us) == 0):
                continue
            frame = frame_of(life, asked.columns, places)
            reason = _not_judged(life, frame, asked, settings)
            if reason is None:
                frames[life.device_id] = frame
            rows.append({**_row(life, reason, _remark(life, retired, known_us, stale_us)), "retired": retired})
        if read.progress is not None:
            read.progress(f"bucket {bucket + 1} of {read.store.device_buckets}, running units:", len(rows))
    return RunningUnits(joined(frames, asked.columns), _table(rows))


def _not_judged(life: Life, frame: pd.DataFrame, asked: Asked, settings: RemainingLifeSettings) -> str | None:
    """Why a unit cannot be judged, None where it can."""
    cycles, needed = len(life.times_us), settings.youngest + 1
    if cycles < needed:
        return f"Not judged: {cycles} cycles since {_day(life.began_us)}, {needed} are needed."
    if len(frame) < needed:
        silent = [name for k, name in enumerate(asked.columns) if not np.isfinite(life.values[:, k]).any()]
        about = f"'{silent[0]}' was never reported" if silent else f"{len(frame)} cycles with every sensor known"
        return f"Not judged: {about} since {_day(life.began_us)}, {needed} cycles with every sensor are needed."
    return None


def _remark(life: Life, retired: bool, known_us: int, stale_us: int) -> str | None:
    """What else is to be known of a unit: its answer is that of its last cycle."""
    if retired:
        return f"Retired {_day(life.retired_us)}."
    if len(life.times_us) > 0 and known_us - life.times_us[-1] > stale_us:
        return f"Silent since {_day(int(life.times_us[-1]))}."
    return None


def _row(life: Life, reason: str | None, remark: str | None) -> dict[str, Any]:
    return {
        UNIT: life.device_id,
        "device_model": life.device_model,
        "since": life.began_us,
        "cycles": len(life.times_us),
        "last_cycle_at": int(life.times_us[-1]) if len(life.times_us) > 0 else NEVER,
        "judged": reason is None,
        "notice": " ".join(text for text in (reason, remark) if text is not None) or None,
    }


def _table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    names = (UNIT, "device_model", "since", "cycles", "last_cycle_at", "judged", "retired", "notice")
    ordered = sorted(rows, key=lambda row: natural(row[UNIT]))
    table = pd.DataFrame({name: [row[name] for row in ordered] for name in names})
    times = {name: from_us(table[name].to_numpy(dtype=np.int64)) for name in ("since", "last_cycle_at")}
    notices = pd.Series([row["notice"] for row in ordered], dtype=object)  # None, where texts would have NaN
    flags = {name: table[name].astype(bool) for name in ("judged", "retired")}
    return table.assign(**times, **flags, notice=notices)


def _day(moment_us: int) -> str:
    return f"{pd.Timestamp(moment_us, unit='us', tz='UTC'):%Y-%m-%d}"
