"""Lives of devices: from installation or the last renewal to a failure, or to now; one device has one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pandas as pd

from aftercast.data.fleet import Component
from aftercast.features.failure_events import failure_records, is_in, renewals_of
from aftercast.features.history import History, load_history
from aftercast.features.outcome import final_versions, last_fact
from aftercast.models.aliases import Floats, Ints
from aftercast.models.kind import Reading
from aftercast.operations.clocks import NEVER, timestamp_us


@dataclass(frozen=True)
class Life:
    """One life of a device, as known at an instant; times are microseconds since 1970-01-01 UTC.

    Attributes
    ----------
    began_us
        Installation, or the failure or renewal that ended the life before; telemetry at a failure or renewal belongs
        to the life it ended, telemetry at the installation to the first life.
    ended_us
        The failure that ended it, NEVER where it goes on.
    retired_us
        Retirement of the device, NEVER where none is known.
    times_us
        Telemetry of the life in order, n; the k-th row is cycle k.
    values
        Columns asked for, n x columns, NaN where a row does not report one.
    """

    device_id: str
    device_model: str
    began_us: int
    ended_us: int
    retired_us: int
    times_us: Ints
    values: Floats


@dataclass(frozen=True)
class DeviceLives:
    """Last life of a device that ended in a failure, and the one that goes on; None where there is none."""

    failed: Life | None
    running: Life | None


def load_lives(read: Reading, component: str, columns: tuple[str, ...]) -> Iterator[tuple[int, list[DeviceLives]]]:
    """Yield the lives of all devices, bucket by bucket, from what is read.

    Parameters
    ----------
    component
        Whose failures end a life and whose renewals begin one.
    columns
        Sensors of the spec to read.
    """
    known_us = timestamp_us(read.until)
    wanted = next(each for each in read.spec.components if each.name == component)
    for bucket in range(read.store.device_buckets):
        history = load_history(read.store, read.spec, version=read.version, known_at=read.until, bucket=bucket)
        yield bucket, _of_bucket(history, wanted, columns, known_us)


def _of_bucket(history: History, component: Component, columns: tuple[str, ...], known_us: int) -> list[DeviceLives]:
    telemetry = final_versions(history.telemetry)
    facts = _facts(history, component, known_us)
    values = np.column_stack([telemetry.columns[name] for name in columns])
    found = []
    for device, fact in enumerate(facts):
        rows = slice(int(telemetry.offsets[device]), int(telemetry.offsets[device + 1]))
        found.append(_lives(fact, component.repairable, telemetry.event_us[rows], values[rows], known_us))
    return found


@dataclass(frozen=True)
class _Device:
    """A device and what bounds its lives, microseconds; failures and renewals ascending."""

    device_id: str
    device_model: str
    installed: int
    retired: int
    failures: Ints
    renewals: Ints


def _facts(history: History, component: Component, known_us: int) -> list[_Device]:
    repairs = final_versions(history.repairs)
    records, failed = failure_records(history.spec, final_versions(history.failures), repairs)
    failed = failed & is_in(records.columns["component"], (component.name,))
    renewed, done = renewals_of(replace(history, repairs=repairs), component.name)
    models = pd.Series(history.devices.columns["device_model"], dtype=object).groupby(history.devices.owner).last()
    columns = zip(
        history.device_ids,
        models,
        last_fact(history.devices, "installed_at"),
        last_fact(history.devices, "retired_at"),
        _by_device(records.take(failed).offsets, records.event_us[failed], known_us),
        _by_device(renewed.offsets, done, known_us),
        strict=True,
    )
    return [
        _Device(str(name), str(model), _since(int(began), *events), int(end), *events)
        for name, model, began, end, *events in columns
    ]


def _since(installed: int, failures: Ints, renewals: Ints) -> int:
    """Begin of the first life of known length: the installation, else the first failure or renewal, else NEVER."""
    if installed != NEVER:
        return installed
    return min((int(times[0]) for times in (failures, renewals) if len(times) > 0), default=NEVER)


def _by_device(offsets: Ints, times: Ints, known_us: int) -> list[Ints]:
    """Times of each device that had come by then, each once, ascending."""
    each = (times[first:end] for first, end in pairwise(offsets))
    return [np.unique(found[found <= known_us]) for found in each]


def _lives(device: _Device, repairable: bool, times: Ints, values: Floats, known_us: int) -> DeviceLives:
    def life(began: int, ended: int) -> Life:
        first = began == device.installed
        rows = ((times >= began) if first else (times > began)) & (times <= min(ended, known_us))
        return Life(device.device_id, device.device_model, began, ended, device.retired, times[rows], values[rows])

    failures, ends = _ends(device, repairable)
    starts = np.append(device.installed, ends)
    failed = None
    if len(failures) > 0:
        failed = life(int(starts[np.searchsorted(ends, failures[-1])]), int(failures[-1]))
    over = failed is not None and not repairable
    return DeviceLives(failed, None if over else life(int(starts[-1]), NEVER))


def _ends(device: _Device, repairable: bool) -> tuple[Ints, Ints]:
    """Failures, and all ends of lives, ascending; what is not repairable ends with its first failure."""
    failures = device.failures[device.failures > device.installed]
    if not repairable:
        return failures[:1], failures[:1]
    ends = np.union1d(failures, device.renewals)
    return failures, ends[ends > device.installed]
