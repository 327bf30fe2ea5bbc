"""A snapshot: the feature rows of a whole fleet at one cutoff, from which every answer of that cutoff is made.

It is computed from the store by the same views that made the training rows; rows of devices that sent something since
can take the place of their older ones.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from aftercast.data.fleet import FleetSpec
from aftercast.data.store import Store
from aftercast.features.build import build_customer_features, build_device_features, concat_features
from aftercast.features.customer_history import load_customer_history
from aftercast.features.dictionary import dictionary_hash, feature_dictionary
from aftercast.features.evidence import data_as_of, evidence_class
from aftercast.features.examples import Examples, Grain, customer_examples, device_examples
from aftercast.features.history import load_history
from aftercast.features.scope import Feature
from aftercast.models.aliases import Ints
from aftercast.models.examples.entities import ENTITIES
from aftercast.models.fit.base_rate_shift import Shift
from aftercast.models.kinds import hazard_kind
from aftercast.models.scoring.impossible_readings import impossible_inputs
from aftercast.models.scoring.parts import UsualParts, usual_parts
from aftercast.models.scoring.risk_arrays import Judged
from aftercast.operations.clocks import from_us, timestamp_us, to_us
from aftercast.operations.errors import NotEnoughDataError


@dataclass(frozen=True)
class Snapshot:
    """Feature rows of one cutoff, one row per device or customer at risk then.

    Attributes
    ----------
    cutoff
        Of the whole fleet (UTC); rows renewed since have a later one of their own, see cutoff_us.
    data_version
        Of the whole fleet's rows.
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
    outlets
        Outlets that look after the device, or after the devices of the customer, tuples of text, shape (n,).
    out_of_range
        Sensors that sent impossible values in the longest window before the cutoff, tuples of text, shape (n,).
    cutoff_us
        Cutoff of each row, microseconds UTC, shape (n,).
    dictionary
        The features the rows hold, in the order of the columns.
    parts
        Parts that repairs used, as known at the cutoff.
    shifts
        Model version -> how far the base rate has moved since that version was trained, as known at the cutoff.
    judged
        Run that trained a model -> what it says of the rows.
    """

    kind: str
    cutoff: pd.Timestamp
    data_version: int
    dictionary: tuple[Feature, ...]
    ids: npt.NDArray[Any]
    features: pd.DataFrame
    evidence: npt.NDArray[Any]
    data_as_of: Ints
    device_model: npt.NDArray[Any]
    customer_id: npt.NDArray[Any]
    outlets: npt.NDArray[Any]
    out_of_range: npt.NDArray[Any]
    cutoff_us: Ints
    parts: UsualParts = field(default_factory=UsualParts)
    shifts: Mapping[str, Shift] = field(default_factory=dict)
    judged: Mapping[str, Judged] = field(default_factory=dict)

    @property
    def dictionary_hash(self) -> str:
        """What a model must have been trained on to judge the rows."""
        return dictionary_hash(self.dictionary)

    def of(self, ids: Collection[str]) -> Snapshot:
        """Return the rows of these ids; ids without a row are left out."""
        return self.take(np.flatnonzero(np.isin(self.ids, list(ids))))

    def take(self, rows: npt.NDArray[Any]) -> Snapshot:
        """Return rows by their positions."""
        aligned: dict[str, Any] = {name: getattr(self, name)[rows] for name in ALIGNED}
        features = self.features.iloc[rows].reset_index(drop=True)
        judged = {run_id: found.take(rows) for run_id, found in self.judged.items()}
        return replace(self, features=features, judged=judged, **aligned)

    def renewed_by(self, newer: Snapshot) -> Snapshot:
        """Return the rows with those of some devices put in the place of their older ones, or added.

        Only judgements that both have are kept.

        Parameters
        ----------
        newer
            Rows of the same dictionary.
        """
        kept = np.flatnonzero(~np.isin(self.ids, newer.ids))
        old = self.take(kept)
        order = np.argsort(np.concatenate([old.ids, newer.ids]).astype(np.str_), kind="stable")
        aligned: dict[str, Any] = {
            name: np.concatenate([getattr(old, name), getattr(newer, name)])[order] for name in ALIGNED
        }
        features = concat_features([old.features, newer.features]).iloc[order].reset_index(drop=True)
        both = {
            run_id: found.followed_by(newer.judged[run_id]).take(order)
            for run_id, found in old.judged.items()
            if run_id in newer.judged
        }
        return replace(self, features=features, judged=both, **aligned)


ALIGNED: Final = (
    "ids",
    "evidence",
    "data_as_of",
    "device_model",
    "customer_id",
    "outlets",
    "out_of_range",
    "cutoff_us",
)
"""Fields of a snapshot with one value a row."""


def take_snapshot(
    store: Store, spec: FleetSpec, kind: str, cutoff: pd.Timestamp, *, version: int | None = None
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
    if hazard_kind(kind).grain == "device_id":
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
    standing = _standing(store, examples, version, cutoff)
    of_devices = examples.grain == "device_id"
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
        outlets=standing["outlets"],
        out_of_range=impossible_inputs(store, spec, examples.ids, cutoff, version=version)
        if of_devices
        else tuples([()] * len(features)),
        cutoff_us=np.full(len(features), at[0]),
        parts=usual_parts(store, version=version, cutoff=cutoff) if of_devices else UsualParts(),
    )


def snapshot_path(folder: Path, kind: str) -> Path:
    """Where a workspace keeps the snapshot of its latest scored cutoff."""
    return folder / "online" / f"{kind}-features.parquet"


def why_not(store: Store, kind: str, entity_id: str, cutoff: pd.Timestamp) -> str:
    """Say why a device or customer has no row in a snapshot: unknown, not yet there, or gone.

    Parameters
    ----------
    cutoff
        UTC; for one that lost its row since the fleet's cutoff the instant of :func:`gone_since`.
    """
    entity = hazard_kind(kind).entity
    noun, start, end = entity.noun, entity.began, entity.ended
    rows, at = _visible(store, hazard_kind(kind).grain, None, cutoff, [entity_id]), f"{cutoff:%Y-%m-%d %H:%M} UTC"
    if rows.empty:
        return f"the {noun} was not known at {at}"
    row = rows.iloc[-1]
    if row[end] <= cutoff:
        return f"the {noun} had {entity.has_ended} by {row[end]:%Y-%m-%d}"
    if pd.isna(row[start]):
        return f"the {noun} {entity.begins} at an unknown time"
    return (
        f"the {noun} {entity.begins} only on {row[start]:%Y-%m-%d}"
        if row[start] > cutoff
        else f"the {noun} has no row of {at}"
    )


def gone_since(store: Store, rows: Snapshot, ids: Collection[str]) -> dict[str, pd.Timestamp]:
    """When those of the devices or customers who are gone by now had gone and that was known (UTC).

    An end that lies after all that was observed is a plan, and nobody is gone by it yet.

    Parameters
    ----------
    rows
        Rows of the last scoring, some of them renewed since.
    """
    grain, end = hazard_kind(rows.kind).grain, hazard_kind(rows.kind).entity.ended
    seen = [rows.cutoff, store.observed_until(), *from_us(np.unique(rows.cutoff_us))]
    facts = _visible(store, grain, None, None, ids)
    known = facts["available_at"].clip(lower=max(each for each in seen if each is not None))
    gone = facts[facts[end] <= known]
    return dict(zip(gone[grain], gone[[end, "available_at"]].max(axis=1), strict=True))


def _require(examples: Examples, kind: str, cutoff: pd.Timestamp) -> None:
    if len(examples.ids) == 0:
        entity = hazard_kind(kind).entity
        raise NotEnoughDataError(
            f"No {entity.noun} is at risk at {cutoff:%Y-%m-%d %H:%M} UTC.",
            f"Import {entity.table}, or choose a cutoff after the first {entity.noun} began (--cutoff).",
        )


def _visible(
    store: Store, grain: Grain, version: int | None, cutoff: pd.Timestamp | None, ids: Collection[str] | None
) -> pd.DataFrame:
    """Standing facts visible at a cutoff (None: all), the last known row of each id."""
    rows = store.read(ENTITIES[grain].table, version=version, known_at=cutoff)
    rows = rows if ids is None else rows[rows[grain].isin(list(ids))]
    return rows.drop_duplicates(grain, keep="last")


def _standing(store: Store, examples: Examples, version: int, cutoff: pd.Timestamp) -> dict[str, npt.NDArray[Any]]:
    """Device model, customer and outlets of each id, empty where there is none."""
    devices, ids = _visible(store, "device_id", version, cutoff, None), examples.ids
    if examples.grain == "device_id":
        return standing_facts(devices, ids)
    nowhere = np.full(len(ids), "", dtype=object)
    customers = np.asarray(ids, dtype=object)
    return {"device_model": nowhere, "customer_id": customers, "outlets": _outlets_of_customers(devices, ids)}


def standing_facts(devices: pd.DataFrame, ids: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
    """Device model, customer (empty text where there is none) and outlets of devices by the last row of each."""
    chosen = devices.drop_duplicates("device_id", keep="last").set_index("device_id").reindex(ids)
    found = {
        name: np.asarray(chosen[name].astype(object).fillna(""), dtype=object)
        for name in ("device_model", "customer_id", "outlet_id")
    }
    found["outlets"] = tuples([(outlet,) if outlet != "" else () for outlet in found.pop("outlet_id")])
    return found


def _outlets_of_customers(devices: pd.DataFrame, ids: npt.NDArray[Any]) -> npt.NDArray[Any]:
    known = devices[devices["outlet_id"].notna() & devices["customer_id"].notna()]
    by_customer = {customer: tuple(sorted(set(found))) for customer, found in known.groupby("customer_id")["outlet_id"]}
    return tuples([by_customer.get(customer, ()) for customer in ids])


def tuples(values: Sequence[tuple[str, ...]]) -> npt.NDArray[Any]:
    """Return tuples as an array of objects, shape (n,)."""
    out = np.empty(len(values), dtype=object)
    out[:] = values
    return out
