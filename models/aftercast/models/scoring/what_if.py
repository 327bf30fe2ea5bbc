"""Rows of some devices at an instant, from what is stored of them and what a caller sends along.

The views are those of training and scoring; only the cohort columns compare with rows made elsewhere: the fleet's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Literal

import numpy as np
import pandas as pd

from aftercast.data.contract import TABLES
from aftercast.data.fleet import FleetSpec
from aftercast.data.store import Store
from aftercast.features.build import build_device_features
from aftercast.features.cohort import complete_cohort_features
from aftercast.features.evidence import data_as_of, evidence_class
from aftercast.features.examples import device_examples
from aftercast.features.history import DEVICE_TABLES, AttributeKind, Frames, History
from aftercast.features.views.attributes import CONTRACT
from aftercast.models.scoring.snapshot import Snapshot, standing_facts, tuples
from aftercast.operations.clocks import timestamp_us, to_us

NONE: Final[dict[AttributeKind, Any]] = {"number": np.nan, "category": None}


def rows_of_devices(
    store: Store,
    spec: FleetSpec,
    fleet: Snapshot,
    ids: Sequence[str],
    cutoff: pd.Timestamp,
    *,
    sent: Frames | None = None,
    impossible: Mapping[str, Sequence[str]] | None = None,
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
    sent
        Contract rows by table that are not in the store, typed; they count as if they were. Cells of telemetry that
        only one of several rows of an instant has are put together, and of two that differ the first stands. Facts of a
        device stand before stored ones of the same instant.
    impossible
        Device -> sensors that sent impossible values along.
    version
        Version of the store; None is the latest.

    Returns
    -------
    Snapshot
        One row for each device in the field, ids ascending, without judgements.
    """
    version = store.version() if version is None else version
    frames: dict[str, pd.DataFrame] = {}
    for name in DEVICE_TABLES:
        columns = ("device_id", "event_time", "available_at", *spec.sensor_names) if name == "telemetry" else None
        stored = store.read(name, version=version, known_at=cutoff, columns=columns, device_ids=list(ids))
        frames[name] = _with_sent(name, stored, sent, cutoff)
    frames["devices"] = _with_attributes(frames["devices"], fleet)
    history = replace(History.from_frames(spec, frames), attributes=_attributes(fleet))
    examples = device_examples(history, np.array([timestamp_us(cutoff)], dtype=np.int64))
    first = build_device_features(history, examples, stage="device")
    names = examples.ids.astype(object)
    features = complete_cohort_features(first, names, fleet.features, fleet.ids, spec)
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


def _with_sent(table: str, stored: pd.DataFrame, sent: Frames | None, cutoff: pd.Timestamp) -> pd.DataFrame:
    """Stored rows of a table and those sent that were known at the cutoff; a row sent again is the stored one."""
    more = (sent or {}).get(table)
    known = None if more is None or len(more) == 0 else more[more["available_at"] <= cutoff]
    if known is None or len(known) == 0:
        return stored
    both = known if len(stored) == 0 else pd.concat([stored, known], ignore_index=True)
    key = [*TABLES[table].key, "available_at"]
    if table == "telemetry" and both.duplicated(key).any():
        both = both.groupby(key, sort=False, as_index=False).first()
    stands: Literal["first", "last"] = "last" if table == "devices" else "first"
    return both.drop_duplicates(["device_id", *key], keep=stands).sort_values(key, kind="stable", ignore_index=True)


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
