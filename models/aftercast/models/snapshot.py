"""A snapshot: the feature rows of a whole fleet at one cutoff, from which every answer of that cutoff is made.

It is computed from the store by the same views that made the training rows, and kept as one parquet file in the
workspace so that the service answers without reading history.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from aftercast.data.clocks import parse_time, timestamp_us, to_us
from aftercast.data.errors import ModelMismatchError, NotEnoughDataError
from aftercast.data.fleet import FleetSpec
from aftercast.data.records.scores import Kind
from aftercast.data.store import Store
from aftercast.features.build import build_customer_features, build_device_features
from aftercast.features.customer_history import load_customer_history
from aftercast.features.dictionary import dictionary_hash, feature_dictionary
from aftercast.features.evidence import data_as_of, evidence_class
from aftercast.features.examples import Examples, customer_examples, device_examples
from aftercast.features.history import load_history
from aftercast.features.scope import Feature
from aftercast.models.described import GRAINS, TABLES
from aftercast.models.shift import Shift

_META: Final = b"aftercast"
_ID, _EVIDENCE, _AS_OF, _MODEL, _CUSTOMER = "__id", "__evidence", "__data_as_of", "__device_model", "__customer_id"


@dataclass(frozen=True)
class Snapshot:
    """Feature rows of one cutoff, one row per device (kind failure) or customer (kind churn) at risk then.

    Attributes
    ----------
    ids
        Text, shape (n,), ascending.
    features
        Aligned with ids, shape (n, f).
    evidence
        ``telemetry``, ``history`` or ``cohort``, shape (n,).
    data_as_of
        When the newest fact used became available, microseconds UTC, shape (n,); NEVER where there was none.
    device_model, customer_id
        Shape (n,), empty text where unknown or meaningless.
    dictionary
        The features the rows hold, in the order of the columns.
    shifts
        Model version -> how far the base rate has moved since that version was trained, as known at the cutoff.
    """

    kind: Kind
    cutoff: pd.Timestamp
    data_version: int
    dictionary: tuple[Feature, ...]
    ids: npt.NDArray[Any]
    features: pd.DataFrame
    evidence: npt.NDArray[Any]
    data_as_of: npt.NDArray[np.int64]
    device_model: npt.NDArray[Any]
    customer_id: npt.NDArray[Any]
    shifts: Mapping[str, Shift] = field(default_factory=dict)

    @property
    def dictionary_hash(self) -> str:
        """What a model must have been trained on to judge the rows."""
        return dictionary_hash(self.dictionary)

    def of(self, ids: Collection[str]) -> Snapshot:
        """Return the rows of these ids; ids without a row are left out."""
        kept = np.flatnonzero(np.isin(self.ids, list(ids)))
        return replace(
            self,
            ids=self.ids[kept],
            features=self.features.iloc[kept].reset_index(drop=True),
            evidence=self.evidence[kept],
            data_as_of=self.data_as_of[kept],
            device_model=self.device_model[kept],
            customer_id=self.customer_id[kept],
        )


def take_snapshot(
    store: Store, spec: FleetSpec, kind: Kind, cutoff: pd.Timestamp, *, version: int | None = None
) -> Snapshot:
    """Compute the feature rows of everything at risk at a cutoff, from what was known then.

    Parameters
    ----------
    cutoff
        UTC; facts with an event or availability later than it are not read.
    version
        Version of the store; None is the latest.

    Raises
    ------
    NotEnoughDataError
        If nothing is at risk at the cutoff.
    """
    version = store.version() if version is None else version
    at = np.array([timestamp_us(cutoff)], dtype=np.int64)
    if kind == "failure":
        history = load_history(store, spec, version=version, known_at=cutoff)
        examples = device_examples(history, at)
        _require(examples, kind, cutoff)
        dictionary = feature_dictionary(spec, "device_id", history.attributes)
        features = build_device_features(history, examples)
        evidence, newest = evidence_class(features, spec), data_as_of(history, examples)
    else:
        customers = load_customer_history(store, spec, version=version, known_at=cutoff)
        examples = customer_examples(customers, at)
        _require(examples, kind, cutoff)
        dictionary = feature_dictionary(spec, "customer_id", customers.attributes)
        features = build_customer_features(customers, examples)
        evidence, newest = np.full(len(features), "history"), data_as_of(customers, examples)
    standing = _standing(store, kind, version, cutoff, examples.ids)
    return Snapshot(
        kind=kind,
        cutoff=cutoff,
        data_version=version,
        dictionary=tuple(dictionary),
        ids=examples.ids,
        features=features,
        evidence=evidence,
        data_as_of=to_us(newest),
        device_model=standing["device_model"],
        customer_id=standing["customer_id"],
    )


def save_snapshot(snapshot: Snapshot, path: Path) -> None:
    """Write a snapshot as one parquet file, replacing the earlier one in one step."""
    frame = snapshot.features.assign(
        **{
            _ID: snapshot.ids,
            _EVIDENCE: snapshot.evidence,
            _AS_OF: snapshot.data_as_of,
            _MODEL: snapshot.device_model,
            _CUSTOMER: snapshot.customer_id,
        }
    )
    about = {
        "kind": snapshot.kind,
        "cutoff": snapshot.cutoff.isoformat(),
        "data_version": snapshot.data_version,
        "dictionary": [asdict(feature) for feature in snapshot.dictionary],
        "shifts": {version: shift.to_dict() for version, shift in snapshot.shifts.items()},
    }
    table = pa.Table.from_pandas(frame, preserve_index=False)
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), _META: json.dumps(about).encode()})
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    pq.write_table(table, temporary)
    temporary.replace(path)


def load_snapshot(path: Path) -> Snapshot:
    """Read what :func:`save_snapshot` wrote.

    Raises
    ------
    NotEnoughDataError
        If nothing was scored yet.
    ModelMismatchError
        If the file was written by another version of aftercast.
    """
    if not path.is_file():
        raise NotEnoughDataError("Nothing has been scored in this workspace yet.", "Run `aftercast score`.")
    table = pq.read_table(path)
    about = json.loads((table.schema.metadata or {}).get(_META, b"{}"))
    if not about:
        raise ModelMismatchError(f"{path.name} is not a snapshot of features.", "Run `aftercast score` again.")
    frame = table.to_pandas()
    extra = {name: np.asarray(frame.pop(name)) for name in (_ID, _EVIDENCE, _AS_OF, _MODEL, _CUSTOMER)}
    return Snapshot(
        kind=about["kind"],
        cutoff=parse_time(about["cutoff"]),
        data_version=about["data_version"],
        dictionary=tuple(Feature(**feature) for feature in about["dictionary"]),
        ids=extra[_ID].astype(object),
        features=frame,
        evidence=extra[_EVIDENCE].astype(object),
        data_as_of=extra[_AS_OF].astype(np.int64),
        device_model=extra[_MODEL].astype(object),
        customer_id=extra[_CUSTOMER].astype(object),
        shifts={version: Shift.from_dict(shift) for version, shift in about.get("shifts", {}).items()},
    )


def snapshot_path(folder: Path, kind: Kind) -> Path:
    """Where a workspace keeps the snapshot of its latest scored cutoff."""
    return folder / "online" / f"{kind}-features.parquet"


def why_not(store: Store, kind: Kind, entity_id: str, cutoff: pd.Timestamp) -> str:
    """Say why a device or customer has no row in a snapshot: unknown, not yet there, or gone."""
    noun, start, end = _LIVES[kind]
    rows = _visible(store, kind, None, cutoff, [entity_id])
    if rows.empty:
        return f"the {noun} was not known at {cutoff:%Y-%m-%d %H:%M} UTC"
    row = rows.iloc[-1]
    if row[end] <= cutoff:
        return f"the {noun} had {'been retired' if kind == 'failure' else 'left'} by {row[end]:%Y-%m-%d}"
    began = "is installed" if kind == "failure" else "begins"
    when = "at an unknown time" if pd.isna(row[start]) else f"only on {row[start]:%Y-%m-%d}"
    return f"the {noun} {began} {when}"


_LIVES: Final[dict[Kind, tuple[str, str, str]]] = {
    "failure": ("device", "installed_at", "retired_at"),
    "churn": ("customer", "since", "left_at"),
}


def _require(examples: Examples, kind: Kind, cutoff: pd.Timestamp) -> None:
    if len(examples.ids) == 0:
        noun = _LIVES[kind][0]
        raise NotEnoughDataError(
            f"No {noun} is at risk at {cutoff:%Y-%m-%d %H:%M} UTC.",
            f"Import {TABLES[kind]}, or choose a cutoff after the first {noun} began (--cutoff).",
        )


def _visible(
    store: Store, kind: Kind, version: int | None, cutoff: pd.Timestamp, ids: Collection[str] | None
) -> pd.DataFrame:
    """Standing facts visible at a cutoff, the last known row of each id."""
    grain = GRAINS[kind]
    rows = store.read(TABLES[kind], version=version, known_at=cutoff)
    rows = rows if ids is None else rows[rows[grain].isin(list(ids))]
    return rows.drop_duplicates(grain, keep="last")


def _standing(
    store: Store, kind: Kind, version: int, cutoff: pd.Timestamp, ids: npt.NDArray[Any]
) -> dict[str, npt.NDArray[Any]]:
    """Device model and customer of each id, empty text where there is none."""
    rows = _visible(store, kind, version, cutoff, None).set_index(GRAINS[kind])
    if kind == "churn":
        return {"device_model": np.full(len(ids), "", dtype=object), "customer_id": np.asarray(ids, dtype=object)}
    chosen = rows.reindex(ids)
    return {
        name: np.asarray(chosen[name].astype(object).fillna(""), dtype=object)
        for name in ("device_model", "customer_id")
    }
