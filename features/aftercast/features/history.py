"""History of devices: every version of every record by device, which feature views read at a cutoff."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from aftercast.data.contract import TABLES
from aftercast.data.fleet import UNNAMED, FleetSpec
from aftercast.data.kinds import KINDS
from aftercast.features.event_table import EventTable, event_table
from aftercast.operations.clocks import timestamp_us

AttributeKind = Literal["number", "category"]
Frames = Mapping[str, pd.DataFrame]
DEVICE_TABLES: Final = ("devices", "telemetry", "faults", "failures", "repairs")


class Reads(Protocol):
    """What a store must answer for history to be loaded from it."""

    def version(self) -> int:
        """Newest published version."""
        ...

    def read(
        self,
        table: str,
        *,
        version: int | None = None,
        known_at: pd.Timestamp | None = None,
        columns: Sequence[str] | None = None,
        device_ids: Sequence[str] | None = None,
        bucket: int | None = None,
        withdrawn: bool = False,
    ) -> pd.DataFrame:
        """Every stored row with ``available_at`` at or before ``known_at``; those taken back only if wanted."""
        ...

    def followed(self, version: int | None = None) -> dict[str, pd.Timestamp]:
        """Until when each table was followed (UTC)."""
        ...

    def declared(self, version: int | None = None) -> dict[str, pd.Timestamp]:
        """Until when each table was said to tell everything (UTC)."""
        ...


@dataclass(frozen=True)
class History:
    """All known versions of the records of devices; what is visible is decided at each cutoff.

    Attributes
    ----------
    device_ids
        Sorted, shape (d,); owner d of every table is ``device_ids[d]``.
    devices
        Versions of the standing facts, by availability.
    telemetry
        One column per sensor of the spec, missing as NaN.
    faults, failures, repairs
        Events with all versions.
    attributes
        Attributes of devices beyond the contract's columns, and whether each is a number or a category.
    """

    spec: FleetSpec
    device_ids: npt.NDArray[np.str_]
    devices: EventTable
    telemetry: EventTable
    faults: EventTable
    failures: EventTable
    repairs: EventTable
    attributes: Mapping[str, AttributeKind]

    @staticmethod
    def from_frames(spec: FleetSpec, frames: Frames) -> History:
        """History of contract frames by table name; an absent table is an empty one.

        Examples
        --------
        >>> History.from_frames(FleetSpec(name="empty"), {}).device_ids.shape
        (0,)
        """
        devices = table_frame(frames, "devices")
        ids = unique_ids(devices["device_id"])
        owner = "device_id"
        return History(
            spec=spec,
            device_ids=ids,
            devices=event_table(devices, ids, owner=owner, event="available_at"),
            telemetry=_telemetry(spec, table_frame(frames, "telemetry"), ids),
            faults=event_table(table_frame(frames, "faults"), ids, owner=owner, event="event_time", key="code"),
            failures=event_table(
                table_frame(frames, "failures"), ids, owner=owner, event="event_time", key="component"
            ),
            repairs=event_table(
                with_components(table_frame(frames, "repairs"), spec),
                ids,
                owner=owner,
                event="opened_at",
                key="work_order_id",
                moving=True,
            ),
            attributes=attributes_of(devices, "devices", spec),
        )

    def known_at(self, moment: pd.Timestamp) -> History:
        """History as it was known at a moment: rows with ``available_at`` at or before it."""
        at = timestamp_us(moment)
        return replace(self, **{name: getattr(self, name).known_at(at) for name in DEVICE_TABLES})


def load_history(
    store: Reads,
    spec: FleetSpec,
    *,
    version: int | None = None,
    known_at: pd.Timestamp | None = None,
    device_ids: Sequence[str] | None = None,
    bucket: int | None = None,
) -> History:
    """History of devices as a version of the store holds it.

    Parameters
    ----------
    known_at
        Leave out rows that became available later.
    device_ids, bucket
        Only these devices, or only those of one bucket of the store.
    """
    needed = {"telemetry": ("device_id", "event_time", "available_at", *spec.sensor_names)}
    frames = {
        table: store.read(
            table,
            version=version,
            known_at=known_at,
            columns=needed.get(table),
            device_ids=device_ids,
            bucket=bucket,
            withdrawn=table != "devices",
        )
        for table in DEVICE_TABLES
    }
    return History.from_frames(spec, frames)


def table_frame(frames: Frames, table: str) -> pd.DataFrame:
    """Frame of a table with all columns of the contract; absent tables and columns are empty."""
    frame = frames.get(table, pd.DataFrame())
    missing = [column for column in TABLES[table].columns if column.name not in frame.columns]
    if not missing:
        return frame
    empty = {c.name: pd.Series(None, index=frame.index, dtype=KINDS[c.kind].pandas) for c in missing}
    return frame.assign(**empty)


def unique_ids(ids: pd.Series) -> npt.NDArray[np.str_]:
    """Sorted distinct ids, shape (k,)."""
    return np.unique(ids.astype(object).to_numpy(dtype=object).astype(np.str_))


def with_components(repairs: pd.DataFrame, spec: FleetSpec) -> pd.DataFrame:
    """Work orders, those that stand for failures and name no component under the component :data:`UNNAMED`."""
    if spec.failures_from != "repairs":
        return repairs
    unnamed = repairs["component"].isna() & (repairs["kind"] == "corrective")
    return repairs.assign(component=repairs["component"].mask(unnamed, UNNAMED)) if unnamed.any() else repairs


def _telemetry(spec: FleetSpec, frame: pd.DataFrame, ids: npt.NDArray[np.str_]) -> EventTable:
    absent = [name for name in spec.sensor_names if name not in frame.columns]
    if absent:
        frame = pd.concat([frame, pd.DataFrame(np.nan, index=frame.index, columns=absent)], axis=1)
    return event_table(frame, ids, owner="device_id", event="event_time", columns=spec.sensor_names)


def attributes_of(frame: pd.DataFrame, table: str, spec: FleetSpec) -> dict[str, AttributeKind]:
    """Columns beyond the contract that a fleet spec names as attributes of a table; times are not attributes."""
    found: dict[str, AttributeKind] = {}
    named = spec.table(table).attributes
    for name in sorted(c for c in frame.columns if c in named and not TABLES[table].has(c)):
        dtype = frame[name].dtype
        if pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_bool_dtype(dtype):
            found[name] = "number"
        elif not pd.api.types.is_datetime64_any_dtype(dtype):
            found[name] = "category"
    return found
