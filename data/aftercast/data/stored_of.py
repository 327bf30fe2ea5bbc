"""Everything the store holds of one device or customer, as it was known at an instant."""

from __future__ import annotations

from typing import Final

import pandas as pd

from aftercast.data.contract import TABLES
from aftercast.data.store import Selection, Store
from aftercast.data.store.layout import IMPORT
from aftercast.operations.database.imports import import_origins

FROM: Final = "from"
"""Column that says which import a row came with."""


def stored_of(store: Store, entity_id: str, known_at: pd.Timestamp | None = None) -> dict[str, pd.DataFrame]:
    """Rows that name a device or customer, by table, the newest first; tables without any are left out.

    What was taken back by then is left out, too. Parts are those of the device's work orders.

    Parameters
    ----------
    known_at
        Only what was known then (UTC); None for all that is known now.

    Returns
    -------
    dict
        Frames with the stored columns that are not all missing, and ``from``: the origin of the import.
    """
    origins = import_origins(store.database)
    found: dict[str, pd.DataFrame] = {}
    for name in store.tables():
        frame = _rows(store, name, entity_id, known_at, found)
        if len(frame) > 0:
            order = [TABLES[name].event_time or "available_at", "available_at"]
            shown = frame.sort_values(list(dict.fromkeys(order)), ascending=False, kind="stable", ignore_index=True)
            told = shown.pop(IMPORT).map(lambda import_id: origins.get(str(import_id), ""))
            found[name] = shown.dropna(axis=1, how="all").assign(**{FROM: told})
    return {name: found[name] for name in TABLES if name in found}


def _rows(
    store: Store, name: str, entity_id: str, known_at: pd.Timestamp | None, before: dict[str, pd.DataFrame]
) -> pd.DataFrame:
    table = TABLES[name]
    columns = [*store.read(name, event_to=pd.Timestamp(0, tz="UTC"), device_ids=[]).columns, IMPORT]
    parts = []
    if table.has("device_id"):
        parts.append(Selection(known_at, columns, device_ids=[entity_id]))
    if table.has("customer_id"):
        parts.append(Selection(known_at, columns, customer_ids=[entity_id]))
    if name == "parts_used" and "repairs" in before:
        orders = before["repairs"]["work_order_id"]
        used = store.select(name, Selection(known_at, columns))
        return used[used["work_order_id"].isin(orders)]
    frames = [store.select(name, wanted) for wanted in parts]
    whole = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
    return whole.drop_duplicates(ignore_index=True)
