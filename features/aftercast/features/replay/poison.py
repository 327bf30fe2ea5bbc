"""Records that nobody could know at a cutoff, of every table a view may read: features must not notice them.

Each is made from a record the table already holds, with another content, so that a view which reads it changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import pandas as pd

from aftercast.data.contract import CONTACT_KINDS, TABLES
from aftercast.data.fleet import FleetSpec
from aftercast.features.customer_history import CUSTOMER_TABLES, SERVICE_TABLES
from aftercast.features.examples import Examples
from aftercast.features.history import DEVICE_TABLES, Frames, table_frame
from aftercast.operations.clocks import parse_duration_us

Poison = Mapping[str, pd.DataFrame]
SOON: Final = pd.Timedelta(microseconds=1)
HOUR: Final = pd.Timedelta(hours=1)
DAY: Final = pd.Timedelta(days=1)
STANDING: Final = ("devices", "customers")
FOREIGN: Final = "leakage-check"  # a text no honest record holds


def boundary(known: Frames, spec: FleetSpec, asked: Examples, moment: pd.Timestamp) -> Poison:
    """Known frames with records at the cutoff that are known a microsecond later, or happen a microsecond after it."""
    return _poisoned(known, spec, asked, moment, [(moment, moment + SOON), (moment + SOON, moment + SOON)])


def future(known: Frames, spec: FleetSpec, asked: Examples, moment: pd.Timestamp) -> Poison:
    """Known frames with records after the cutoff, up to the longest horizon, and earlier ones known late."""
    horizons = spec.horizons if asked.grain == "device_id" else spec.churn.horizons
    ahead = [HOUR, DAY, *(pd.Timedelta(parse_duration_us(text), unit="us") for text in horizons)]
    after = [(moment + span, moment + span) for span in dict.fromkeys(ahead)]
    late = [(moment - span, moment + HOUR) for span in (HOUR, DAY)]
    return _poisoned(known, spec, asked, moment, [*after, *late])


Clocks = Sequence[tuple[pd.Timestamp, pd.Timestamp]]


def _poisoned(known: Frames, spec: FleetSpec, asked: Examples, moment: pd.Timestamp, clocks: Clocks) -> Poison:
    """Frames with a record of every owner at each pair of event and availability, and its last one corrected."""
    tables = DEVICE_TABLES if asked.grain == "device_id" else dict.fromkeys((*CUSTOMER_TABLES, *SERVICE_TABLES))
    after = max(moment + SOON, min(available for _, available in clocks))
    found: dict[str, pd.DataFrame] = {}
    for table in tables:
        frame = table_frame(known, table)
        if table in STANDING:
            added = [_standing(frame, table, after)]
        else:
            owners = _owners(known, asked, table)
            added = [_events(frame, table, owners, spec, clocks), _corrected(frame, table, after)]
        rows = [rows.reindex(columns=frame.columns).astype(frame.dtypes.to_dict()) for rows in added if len(rows) > 0]
        found[table] = pd.concat([frame, *rows], ignore_index=True)
    return found


def _owners(known: Frames, asked: Examples, table: str) -> tuple[str, list[str]]:
    """Column of the owners of a table, and who they are."""
    if TABLES[table].has("customer_id"):
        return "customer_id", sorted(set(asked.ids.tolist()))
    return "device_id", sorted(map(str, table_frame(known, "devices")["device_id"].unique()))


def _standing(frame: pd.DataFrame, table: str, available: pd.Timestamp) -> pd.DataFrame:
    """Last version of each owner with every fact changed but the ids."""
    (owner,) = TABLES[table].key
    last = frame.sort_values("available_at", kind="stable").groupby(owner).tail(1)
    kept = {owner, "customer_id", "available_at"}
    changed = {str(name): _other(last[name], available) for name in last.columns if name not in kept}
    return last.assign(**changed, available_at=available)


def _other(values: pd.Series, available: pd.Timestamp) -> pd.Series:
    """Another value everywhere, also where there was none: earlier times, bigger numbers, a foreign text."""
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        return values.fillna(available) - 30 * DAY
    if pd.api.types.is_bool_dtype(values.dtype):
        return ~values
    if pd.api.types.is_numeric_dtype(values.dtype):
        return (values.fillna(0.0) * 2 + 1).astype(values.dtype)
    return pd.Series(FOREIGN, index=values.index, dtype=values.dtype)


def _events(
    frame: pd.DataFrame, table: str, owners: tuple[str, list[str]], spec: FleetSpec, clocks: Clocks
) -> pd.DataFrame:
    """A new record of each owner, for each kind of content and each pair of event and availability."""
    column, ids = owners
    event = str(TABLES[table].event_time)
    times = pd.DataFrame(clocks, columns=[event, "available_at"])
    rows = pd.DataFrame({column: ids}).merge(times, how="cross")
    rows = rows.merge(pd.DataFrame(_contents(table, spec, frame)), how="cross")
    if table in ("repairs", "contacts", "purchases"):
        rows[TABLES[table].key[0]] = [f"{FOREIGN}-{k}" for k in range(len(rows))]
    if table == "repairs":
        rows["closed_at"] = rows[event]
    return rows


def _contents(table: str, spec: FleetSpec, frame: pd.DataFrame) -> list[dict[str, object]]:
    """Contents of the records of a table: one for each component, code or kind, so that every reader is reached."""
    components: Sequence[str] = spec.component_names or ("any",)
    if table == "telemetry":
        high = {name: _beyond(frame, name) for name in spec.sensor_names}
        return [dict(high)]
    if table == "faults":
        return [{"code": code, "severity": "high"} for code in [*(f.code for f in spec.fault_codes), FOREIGN]]
    if table == "failures":
        return [{"component": name} for name in components]
    if table == "repairs":
        kinds = (("corrective", "replaced"), ("inspection", "no_fault_found"))
        return [
            {"component": name, "kind": kind, "outcome": outcome, "cost": 999.0, "labour_hours": 9.0}
            for name in components
            for kind, outcome in kinds
        ]
    if table == "contacts":
        given = {"first_response_minutes": 999.0, "resolution_hours": 999.0, "csat": 1.0, "nps": -100.0}
        return [{"kind": kind, "channel": "phone", **given} for kind in CONTACT_KINDS]
    return [{"amount": 99_999.0}]


def _beyond(frame: pd.DataFrame, sensor: str) -> float:
    """Value above all that were seen."""
    seen = frame[sensor].to_numpy(dtype=np.float64) if sensor in frame else np.array([])
    return float(np.nanmax(np.abs(seen)) * 1.1 + 1.0) if np.isfinite(seen).any() else 1.0


def _corrected(frame: pd.DataFrame, table: str, available: pd.Timestamp) -> pd.DataFrame:
    """The last record of each owner with another content under the same key, known after the cutoff."""
    owner = "customer_id" if TABLES[table].has("customer_id") else "device_id"
    event = str(TABLES[table].event_time)
    last = frame.sort_values([event, "available_at"], kind="stable").groupby(owner).tail(1)
    fixed = {owner, "device_id", "available_at", *TABLES[table].key, event}
    changed = {str(name): _other(last[name], available) for name in last.columns if name not in fixed}
    if table == "failures":  # it has nothing that could be corrected
        return last.iloc[:0]
    return last.assign(**changed, available_at=available)
