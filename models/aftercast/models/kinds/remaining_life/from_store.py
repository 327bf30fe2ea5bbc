"""The frames of a remaining life model, read from a store as it was known at an instant.

A cycle is a telemetry row of a life, in order of event time. Values that a row does not report are carried forward from
the rows before it in the same life, never from later ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from aftercast.data.fleet import FleetSpec
from aftercast.models.kind import Reading
from aftercast.models.kinds.remaining_life.lives import Life, load_lives
from aftercast.models.kinds.remaining_life.model import UNITS_PER_FOLD
from aftercast.models.kinds.remaining_life.settings import RemainingLifeSettings
from aftercast.models.kinds.remaining_life.trajectories.table import CYCLE, UNIT
from aftercast.operations.clocks import parse_duration_us
from aftercast.operations.errors import InputError, NotEnoughDataError

SETTING: Final = "setting"
ENOUGH: Final = 0.5  # share of the lives that must report a sensor for it to be used


@dataclass(frozen=True)
class Asked:
    """What a model is about: a component, and the columns of telemetry that are settings and sensors."""

    component: str
    settings: tuple[str, ...]
    sensors: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Settings, then sensors."""
        return (*self.settings, *self.sensors)


@dataclass(frozen=True)
class FailedUnits:
    """Units run to failure.

    Attributes
    ----------
    frame
        ``unit`` (the device), ``cycle``, settings and sensors; units in natural order of their names.
    asked
        As asked, without the columns that too few units report.
    left_out
        Why failed devices are not among the units -> how many.
    """

    frame: pd.DataFrame
    asked: Asked
    left_out: dict[str, int]

    @property
    def units(self) -> int:
        """How many there are."""
        return int(self.frame[UNIT].nunique())


def asked_of(spec: FleetSpec, component: str | None = None, settings: Iterable[str] | None = None) -> Asked:
    """Choose component and columns of a fleet.

    Parameters
    ----------
    component
        None for the only one of the fleet.
    settings
        Sensors of the spec that say how a unit is operated; None for those named ``setting...``.

    Raises
    ------
    InputError
        If the fleet has several components and none is named, or a name is not in the spec, or no sensor is left.
    """
    names = spec.component_names
    if component is None and len(names) != 1:
        example = names[0] if names else "pump"
        raise InputError(
            f"The fleet has {len(names)} components; remaining life is that of one.", f"Name it: --component {example}."
        )
    chosen = names[0] if component is None else component
    if chosen not in names:
        raise InputError(f"The fleet has no component '{chosen}'.", f"It has: {', '.join(names)}.")
    found = [name for name in spec.sensor_names if name.startswith(SETTING)] if settings is None else list(settings)
    unknown = [name for name in found if name not in spec.sensor_names]
    if unknown:
        raise InputError(f"The fleet has no sensor '{unknown[0]}'.", f"It has: {', '.join(spec.sensor_names[:30])}.")
    sensors = tuple(name for name in spec.sensor_names if name not in found)
    if not sensors:
        raise InputError("The fleet has no sensor to learn from.", "List its sensors in fleet.toml.")
    return Asked(chosen, tuple(found), sensors)


def failed_units(read: Reading, asked: Asked, settings: RemainingLifeSettings) -> FailedUnits:
    """Read the last life of each device that ended in a failure.

    One life a device: folds and intervals need units that do not depend on each other. Left out are lives of at most
    ``settings.youngest`` cycles, and those whose last cycle is older than the fleet's ``stale_after`` at the failure,
    because their last row is not the failure.

    Raises
    ------
    NotEnoughDataError
        If there are fewer units than two a fold.
    """
    stale_us = parse_duration_us(read.spec.features.stale_after)
    lives: list[Life] = []
    left_out = {"failed": 0, "too short": 0, "silent before the failure": 0, "without every sensor": 0}
    for bucket, devices in load_lives(read, asked.component, asked.columns):
        for life in (each.failed for each in devices if each.failed is not None):
            left_out["failed"] += 1
            if len(life.times_us) <= settings.youngest:
                left_out["too short"] += 1
            elif life.ended_us - life.times_us[-1] > stale_us:
                left_out["silent before the failure"] += 1
            else:
                lives.append(life)
        if read.progress is not None:
            read.progress(f"bucket {bucket + 1} of {read.store.device_buckets}, units run to failure:", len(lives))
    used = _reported(lives, asked)
    places = [asked.columns.index(name) for name in used.columns]
    frames = {life.device_id: frame_of(life, used.columns, places) for life in lives}
    whole = {unit: frame for unit, frame in frames.items() if len(frame) > settings.youngest}
    left_out["without every sensor"] = len(frames) - len(whole)
    _require(len(whole), left_out, asked, settings, read.until)
    return FailedUnits(joined(whole, used.columns), used, left_out)


def natural(name: str) -> tuple[str | int, ...]:
    """Sort key by which numbers within names count as numbers.

    >>> sorted(["e10", "e9"], key=natural)
    ['e9', 'e10']
    """
    return tuple(int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name))


def _reported(lives: list[Life], asked: Asked) -> Asked:
    """Columns that enough of the lives report."""
    counts = np.zeros(len(asked.columns))
    for life in lives:
        counts += np.isfinite(life.values).any(axis=0)
    enough = dict(zip(asked.columns, counts >= ENOUGH * max(len(lives), 1), strict=True))
    settings, sensors = (tuple(name for name in names if enough[name]) for names in (asked.settings, asked.sensors))
    if lives and not sensors:
        raise NotEnoughDataError(
            f"None of {len(asked.sensors)} sensors is reported by half of the {len(lives)} units run to failure.",
            "Import their telemetry.",
        )
    return Asked(asked.component, settings, sensors)


def frame_of(life: Life, columns: tuple[str, ...], places: list[int]) -> pd.DataFrame:
    """Rows of a life from the first on by which every column was reported; gaps carried forward."""
    values = pd.DataFrame(life.values[:, places], columns=list(columns)).ffill()
    values.insert(0, CYCLE, np.arange(1, len(values) + 1, dtype=np.int64))
    values.insert(0, UNIT, life.device_id)
    return values[values[list(columns)].notna().all(axis=1)]


def joined(frames: dict[str, pd.DataFrame], columns: tuple[str, ...]) -> pd.DataFrame:
    """Frames of units one after the other, in natural order of their names."""
    if not frames:
        return pd.DataFrame(columns=[UNIT, CYCLE, *columns])
    return pd.concat([frames[unit] for unit in sorted(frames, key=natural)], ignore_index=True)


def _require(
    units: int, left_out: dict[str, int], asked: Asked, settings: RemainingLifeSettings, known_at: pd.Timestamp
) -> None:
    needed = UNITS_PER_FOLD * settings.folds
    if units >= needed:
        return
    reasons = "".join(f", {count} {reason}" for reason, count in left_out.items() if reason != "failed" and count > 0)
    raise NotEnoughDataError(
        f"{units} units run to a failure of '{asked.component}' were known at {known_at:%Y-%m-%d %H:%M} UTC; "
        f"{settings.folds} folds need {needed}. Failed devices: {left_out['failed']}{reasons}.",
        "Import more units that were run to failure, or name fewer folds. Where failures are rare, "
        "`aftercast train failure` is the model.",
    )
