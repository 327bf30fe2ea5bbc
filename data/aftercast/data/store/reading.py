"""Reading one table at one version of its files: filters that skip files, then the contract's order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import and_

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from aftercast.data.contract import Table
from aftercast.data.kinds import KINDS
from aftercast.data.store.delta import DeltaHistory
from aftercast.data.store.hashing import bucket_of
from aftercast.data.store.layout import BUCKET, BUCKETED, PRIVATE, ROW, empty_frame, sort_order, to_frame
from aftercast.data.store.withdrawals import Withdrawals
from aftercast.operations.database.store_versions import TableState


@dataclass(frozen=True)
class Selection:
    """Which rows and columns are wanted; None means all.

    Attributes
    ----------
    known_at
        Only rows with ``available_at <= known_at``.
    event_from, event_to
        Only rows with ``event_from <= event time <= event_to``, both ends included.
    ordered
        Whether rows are wanted in the order of their keys.
    withdrawn
        Whether facts that were taken back are wanted, too, with the instant in ``withdrawn_at`` if there are any.
    """

    known_at: pd.Timestamp | None = None
    columns: Sequence[str] | None = None
    device_ids: Sequence[str] | npt.NDArray[np.str_] | None = None
    bucket: int | None = None
    customer_ids: Sequence[str] | None = None
    event_from: pd.Timestamp | None = None
    event_to: pd.Timestamp | None = None
    ordered: bool = True
    withdrawn: bool = False


def history_of(address: str, table: Table, generation: int = 0) -> DeltaHistory:
    """Files of a table below a store's address; a generation that a vacuum wrote has a folder of its own."""
    folder = table.name if generation == 0 else f"{table.name}.{generation}"
    return DeltaHistory(f"{address.rstrip('/')}/{folder}", BUCKET if table.name == BUCKETED else None)


def files_of(address: str, table: Table, state: TableState) -> ds.Dataset:
    """Files of a table at one state."""
    return history_of(address, table, state.generation).scan(state.delta)


def read_table(
    address: str,
    table: Table,
    state: TableState | None,
    wanted: Selection,
    device_buckets: int,
    *,
    withdrawals: Withdrawals | None = None,
) -> pd.DataFrame:
    """Return selected rows of a table at one state, sorted by key, then available_at, then arrival; a RangeIndex.

    Typed and empty where nothing was stored in it. Without withdrawals every stored row comes back.
    """
    if state is None:
        frame = empty_frame(table)
        return _with_columns(frame, wanted.columns or list(frame.columns), table)
    files = files_of(address, table, state)
    extra = [name for name in files.schema.names if not table.has(name) and name not in PRIVATE]
    names = [*(c.name for c in table.columns), *extra] if wanted.columns is None else wanted.columns
    by_bucket = wanted.bucket is not None and table.name != BUCKETED and table.has("device_id")
    needed = list(dict.fromkeys([*names, *table.key, "available_at", *(["device_id"] if by_bucket else [])]))
    present = [name for name in needed if name in files.schema.names]
    data = files.to_table(columns=present, filter=_row_filter(table, wanted, device_buckets), use_threads=False)
    if by_bucket:
        data = data.filter(pa.array(bucket_of(data["device_id"].to_pandas(), device_buckets) == wanted.bucket))
    frame = to_frame(table, data)
    positions = sort_order(data, table) if wanted.ordered else None
    if positions is not None:
        frame = frame.take(positions).reset_index(drop=True)
    if withdrawals is not None and len(withdrawals.hashes) > 0:
        if wanted.withdrawn:
            moments = withdrawals.with_instants(frame)["withdrawn_at"]
            return _with_columns(frame, names, table).assign(withdrawn_at=moments)
        frame = frame[~withdrawals.covers(frame)].reset_index(drop=True)
    return _with_columns(frame, names, table)


def count_rows(address: str, table: Table, state: TableState | None, wanted: Selection, device_buckets: int) -> int:
    """Count the selected rows of a table at one state."""
    if state is None:
        return 0
    files = files_of(address, table, state)
    return int(files.count_rows(filter=_row_filter(table, wanted, device_buckets)))


def _with_columns(frame: pd.DataFrame, names: Sequence[str], table: Table) -> pd.DataFrame:
    """Frame with these columns in this order; a sensor nobody has sent yet is all missing."""
    absent = {}
    for name in names:
        if name not in frame.columns:
            column = table.column(name)
            kind = KINDS[column.kind].pandas if column is not None else "int64" if name == ROW else "float64"
            absent[name] = pd.Series(index=frame.index, dtype=kind)
    whole = pd.concat([frame, pd.DataFrame(absent, index=frame.index)], axis=1) if absent else frame
    return whole[list(names)]


def _row_filter(table: Table, wanted: Selection, device_buckets: int) -> pc.Expression | None:
    parts: list[pc.Expression] = []
    if wanted.known_at is not None:
        parts.append(pc.field("available_at") <= _instant(wanted.known_at))
    if wanted.event_from is not None and table.event_time is not None:
        parts.append(pc.field(table.event_time) >= _instant(wanted.event_from))
    if wanted.event_to is not None and table.event_time is not None:
        parts.append(pc.field(table.event_time) <= _instant(wanted.event_to))
    if wanted.bucket is not None and table.name == BUCKETED:
        parts.append(pc.field(BUCKET) == pa.scalar(wanted.bucket, pa.int32()))
    if wanted.device_ids is not None and table.has("device_id"):
        parts += _device_filter(table, wanted.device_ids, device_buckets)
    if wanted.customer_ids is not None and table.has("customer_id"):
        parts.append(pc.field("customer_id").isin(pa.array(sorted(set(wanted.customer_ids)), pa.string())))
    return reduce(and_, parts) if parts else None


def _device_filter(
    table: Table, device_ids: Sequence[str] | npt.NDArray[np.str_], device_buckets: int
) -> list[pc.Expression]:
    ids = sorted({str(device_id) for device_id in device_ids})
    found = [pc.field("device_id").isin(pa.array(ids, pa.string()))]
    if table.name == BUCKETED:
        buckets = sorted({int(bucket) for bucket in bucket_of(ids, device_buckets)})
        found.append(pc.field(BUCKET).isin(pa.array(buckets, pa.int32())))
    if ids:
        found.append(pc.field("device_id") >= ids[0])
        found.append(pc.field("device_id") <= ids[-1])
    return found


def _instant(moment: pd.Timestamp) -> pa.Scalar:
    return pa.scalar(moment.tz_convert("UTC").as_unit("us").to_pydatetime(), pa.timestamp("us", tz="UTC"))
