"""What of a published version can no longer be read, and what of it claims to be known only in the future."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from deltalake.exceptions import DeltaError

from aftercast.data.contract import TABLES
from aftercast.data.store.history import Store
from aftercast.data.store.layout import OWN_TABLES, stored_table
from aftercast.data.store.reading import files_of, history_of
from aftercast.data.store.withdrawals import WITHDRAWALS
from aftercast.operations.database.store_versions import newest_version


def find_damage(store: Store) -> dict[str, str]:
    """Tables of the newest version whose files are gone, damaged, or hold another number of rows; quarantine included.

    Of each file only the end is read, where parquet says how many rows it has.

    Returns
    -------
    dict
        What is wrong with each table, the end of a sentence that begins with the table.
    """
    found = {}
    for name, state in sorted(newest_version(store.database).tables.items()):
        try:
            rows = files_of(store.address, stored_table(name), state).count_rows()
        except (DeltaError, OSError, pa.ArrowException) as error:
            found[name] = f"cannot be read ({type(error).__name__})"
        else:
            if rows != state.rows:
                found[name] = f"has {rows:,} rows instead of {state.rows:,}"
    return found


def unpublished_tables(store: Store) -> list[str]:
    """Tables whose files lie in the store's folder though its database published none; of an object store none.

    They are another database's, or those of a first import that was cut off.
    """
    if store.version() > 0 or "://" in store.address:
        return []
    return [name for name in TABLES if history_of(store.address, TABLES[name]).latest() is not None]


def find_early(store: Store, now: pd.Timestamp) -> dict[str, int]:
    """Tables of the newest version with rows, and how many, that became known later than now (UTC, itself excluded).

    Statistics of the files say where such rows may be, so that hardly any file is read. Our own tables are left out:
    their times are those of imports.
    """
    late = pc.field("available_at") > pa.scalar(now.as_unit("us").to_pydatetime(), pa.timestamp("us", tz="UTC"))
    tables = newest_version(store.database).tables
    found = {
        name: files_of(store.address, stored_table(name), tables[name]).count_rows(filter=late)
        for name in sorted(tables.keys() - OWN_TABLES.keys())
    }
    return {name: rows for name, rows in found.items() if rows > 0}


def find_expired(store: Store, keep: Mapping[str, pd.Timedelta], now: pd.Timestamp) -> dict[str, int]:
    """Tables of events with rows, and how many, that happened longer ago than they are kept; withdrawn keys as well.

    Statistics of the files say where such rows may be, so that hardly any file is read.

    Parameters
    ----------
    keep
        Table -> how long its rows are kept.
    """
    tables, found = newest_version(store.database).tables, {}
    for name, span in keep.items():
        clock = stored_table(name).event_time
        if clock is not None and name in tables:
            limit = pa.scalar((now - span).to_pydatetime(), pa.timestamp("us", tz="UTC"))
            files = files_of(store.address, stored_table(name), tables[name])
            found[name] = files.count_rows(filter=pc.field(clock) < limit)
    if WITHDRAWALS.name in tables:
        files = files_of(store.address, WITHDRAWALS, tables[WITHDRAWALS.name])
        found["withdrawn facts"] = files.count_rows(filter=pc.field("key").is_valid())
    return {name: rows for name, rows in found.items() if rows > 0}
