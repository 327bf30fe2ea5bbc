"""Rows of some devices at an instant of their own, from what is stored of them and what a caller sends along.

The views are those of training and scoring; only the cohort columns compare with rows made elsewhere: the fleet's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from aftercast.data.contract import TABLES
from aftercast.data.fleet import FleetSpec
from aftercast.data.store import Store
from aftercast.features.build import build_device_features
from aftercast.features.cohort import complete_cohort_features
from aftercast.features.evidence import data_as_of, evidence_class
from aftercast.features.examples import Examples, device_examples
from aftercast.features.history import DEVICE_TABLES, AttributeKind, Frames, History
from aftercast.features.scope import Scope, label
from aftercast.features.views.attributes import CONTRACT
from aftercast.models.scoring.snapshot import Snapshot, standing_facts, tuples
from aftercast.operations.clocks import NEVER, timestamp_us, to_us

NONE: Final[dict[AttributeKind, Any]] = {"number": np.nan, "category": None}


def live_rows(
    store: Store,
    spec: FleetSpec,
    fleet: Snapshot,
    ids: Sequence[str],
    cutoff: pd.Timestamp,
    *,
    own_cutoffs: Mapping[str, pd.Timestamp] | None = None,
    sent: Frames | None = None,
    impossible: Mapping[str, Sequence[str]] | None = None,
    each_alone: bool = False,
    version: int | None = None,
) -> Snapshot:
    """Rows of devices at a cutoff.

    Parameters
    ----------
    fleet
        The rows that the cohort columns compare with; its parts and shifts go over to the rows.
    ids
        Devices wanted; one that is not in the field at the cutoff has no row.
    cutoff
        UTC; nothing that happened or became known later is read.
    own_cutoffs
        Earlier cutoffs of some devices (UTC); all others have ``cutoff``.
    sent
        Contract rows by table that are not in the store, typed; they count as if they were. Cells of telemetry that
        only one of several rows of an instant has are put together, and of two that differ the first stands. Facts of a
        device stand before stored ones of the same instant.
    impossible
        Device -> sensors that sent impossible values along.
    each_alone
        Whether each row is made as if it were the only one wanted; otherwise the rows of all devices wanted stand in
        the place of the fleet's, and a work order may move from one to another.
    version
        Version of the store; None is the latest.

    Returns
    -------
    Snapshot
        One row for each device in the field, ids ascending, without judgements.
    """
    version = store.version() if version is None else version
    cutoffs = {each: (own_cutoffs or {}).get(each, cutoff) for each in ids}
    behind = _Behind(store, version, cutoff, list(ids))
    frames = {name: _with_sent(name, behind.read(name, spec), sent, cutoffs) for name in DEVICE_TABLES}
    if each_alone:
        frames = {name: _with_own_keys(name, rows) for name, rows in frames.items()}
    frames["devices"] = _with_attributes(frames["devices"], fleet)
    history = replace(History.from_frames(spec, frames), attributes=_attributes(fleet))
    examples = _examples(history, cutoffs)
    first = build_device_features(history, examples, stage="device")
    names = examples.ids.astype(object)
    features = _compared(first, names, fleet, spec, each_alone=each_alone)
    standing = standing_facts(frames["devices"], examples.ids)
    return replace(
        fleet,
        ids=names,
        features=features,
        evidence=evidence_class(features, spec),
        data_as_of=to_us(data_as_of(history, examples)),
        device_model=standing["device_model"],
        customer_id=standing["customer_id"],
        outlets=standing["outlets"],
        out_of_range=_impossible(fleet, names, impossible or {}),
        cutoff=cutoff,
        cutoff_us=examples.cutoff_us.copy(),
        data_version=version,
        judged={},
    )


@dataclass(frozen=True)
class _Behind:
    """What is stored of some devices and was known at the cutoff."""

    store: Store
    version: int
    cutoff: pd.Timestamp
    ids: list[str]

    def read(self, table: str, spec: FleetSpec) -> pd.DataFrame:
        columns = ("device_id", "event_time", "available_at", *spec.sensor_names) if table == "telemetry" else None
        return self.store.read(table, version=self.version, known_at=self.cutoff, columns=columns, device_ids=self.ids)


def _examples(history: History, cutoffs: Mapping[str, pd.Timestamp]) -> Examples:
    """Devices in the field, each at its own cutoff."""
    at = {each: timestamp_us(moment) for each, moment in cutoffs.items()}
    every = device_examples(history, np.unique(list(at.values())).astype(np.int64))
    own = np.array([at.get(each, NEVER) for each in every.ids.tolist()], dtype=np.int64)
    return every.take(every.cutoff_us == own)


def _compared(
    first: pd.DataFrame, names: npt.NDArray[Any], fleet: Snapshot, spec: FleetSpec, *, each_alone: bool
) -> pd.DataFrame:
    """Features with the cohort columns, of all rows at once or of one after the other."""
    if not each_alone or len(names) < 2:
        return complete_cohort_features(first, names, fleet.features, fleet.ids, spec)
    window = label(Scope(spec).windows[0])
    needed = ["device_model", *(f"{sensor}_mean_{window}" for sensor in Scope(spec).levels)]
    few, others = (rows[needed].astype({"device_model": object}) for rows in (first, fleet.features))
    near = np.flatnonzero(others["device_model"].isin(few["device_model"]))
    others, ids = others.iloc[near], fleet.ids[near]
    rows = [
        complete_cohort_features(few.iloc[i : i + 1], names[i : i + 1], others, ids, spec) for i in range(len(names))
    ]
    return pd.concat([first, pd.concat([row.drop(columns=needed) for row in rows])], axis=1)


def _with_sent(
    table: str, stored: pd.DataFrame, sent: Frames | None, cutoffs: Mapping[str, pd.Timestamp]
) -> pd.DataFrame:
    """Stored rows of a table and those sent that were known at the cutoff; a row sent again is the stored one."""
    more = (sent or {}).get(table)
    if more is None or len(more) == 0:
        return _known(stored, cutoffs)
    both = _known(more if len(stored) == 0 else pd.concat([stored, more], ignore_index=True), cutoffs)
    key = [*TABLES[table].key, "available_at"]
    if table == "telemetry" and both.duplicated(key).any():
        both = both.groupby(key, sort=False, as_index=False).first()
    stands: Literal["first", "last"] = "last" if table == "devices" else "first"
    return both.drop_duplicates(["device_id", *key], keep=stands).sort_values(key, kind="stable", ignore_index=True)


def _with_own_keys(table: str, rows: pd.DataFrame) -> pd.DataFrame:
    """Rows whose keys no other device has: a work order is corrected by records of the same device only."""
    key = TABLES[table].key
    own = () if "device_id" in key else key
    return rows.assign(**{name: rows["device_id"].astype(str) + "\n" + rows[name].astype(str) for name in own})


def _known(rows: pd.DataFrame, cutoffs: Mapping[str, pd.Timestamp]) -> pd.DataFrame:
    """Rows that were known at the cutoff of their device."""
    if len(rows) == 0:
        return rows
    own = rows["device_id"].map(dict(cutoffs)).astype(rows["available_at"].dtype)
    return rows[rows["available_at"] <= own].reset_index(drop=True)


def _attributes(fleet: Snapshot) -> dict[str, AttributeKind]:
    return {
        feature.name: feature.kind
        for feature in fleet.dictionary
        if feature.view == "attributes" and feature.name not in CONTRACT
    }


def _with_attributes(devices: pd.DataFrame, fleet: Snapshot) -> pd.DataFrame:
    """Devices with every attribute that the fleet's rows have, missing where it was not sent."""
    absent = {name: kind for name, kind in _attributes(fleet).items() if name not in devices.columns}
    return devices.assign(
        **{name: pd.Series(NONE[kind], index=devices.index, dtype=_DTYPES[kind]) for name, kind in absent.items()}
    )


_DTYPES: Final[dict[AttributeKind, str]] = {"number": "float64", "category": "object"}


def _impossible(fleet: Snapshot, ids: Any, sent: Mapping[str, Sequence[str]]) -> Any:
    kept = dict(zip(fleet.ids, fleet.out_of_range, strict=True))
    return tuples([tuple(sorted({*kept.get(each, ()), *sent.get(each, ())})) for each in ids])
