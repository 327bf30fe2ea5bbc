"""Scoring: what the champion says of every device or customer of a snapshot, with the reasons.

Batch and service both judge through :func:`judge`, so that one device has one answer.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from aftercast.data.clocks import NEVER, parse_time
from aftercast.data.errors import ModelMismatchError, NotEnoughDataError
from aftercast.data.fleet import FleetSpec
from aftercast.data.store import Store
from aftercast.features.labels import load_outcome
from aftercast.features.scope import Feature
from aftercast.models.answers import Driver, Score
from aftercast.models.cases import build_cases, usual_horizon
from aftercast.models.explanation import drivers
from aftercast.models.hazard import Risks
from aftercast.models.registry import Loaded
from aftercast.models.shift import Shift, known_starts, no_shift, shift_in
from aftercast.models.snapshot import Snapshot, take_snapshot

TOP_DRIVERS: Final = 5


@dataclass(frozen=True)
class Usual:
    """What is usual for a device model: mean and standard deviation of each number feature, by model.

    Attributes
    ----------
    mean, deviation
        One row per device model, one column per number feature; NaN where no device had a value.
    """

    mean: pd.DataFrame
    deviation: pd.DataFrame

    @classmethod
    def of(cls, snapshot: Snapshot) -> Usual:
        """Statistics over all devices of each model in a snapshot (sample deviation, one device has none)."""
        numbers = snapshot.features.select_dtypes("number").astype(np.float64)
        groups = numbers.groupby(np.asarray(snapshot.device_model, dtype=object))
        return cls(groups.mean(), groups.std())


def score_devices(
    loaded: Loaded,
    store: Store,
    spec: FleetSpec,
    cutoff: pd.Timestamp,
    *,
    version: int | None = None,
    device_ids: Collection[str] | None = None,
) -> list[Score]:
    """Scores of the devices (customers, for a churn model) at risk at a cutoff, ordered by id.

    Features are computed for the whole fleet even where a few ids are asked for: what is usual for a model is read
    from all devices of it.

    Raises
    ------
    ModelMismatchError
        If the model was trained on other features.
    NotEnoughDataError
        If nothing is at risk at the cutoff.
    """
    snapshot = take_snapshot(store, spec, loaded.kind, cutoff, version=version)
    return judge(loaded, with_shift(snapshot, loaded, store, spec), spec, ids=device_ids)


def with_shift(snapshot: Snapshot, loaded: Loaded, store: Store, spec: FleetSpec) -> Snapshot:
    """Snapshot that says how far the base rate has moved since the model was trained, from what was known then."""
    return replace(snapshot, shifts={**snapshot.shifts, loaded.version: _shift(snapshot, loaded, store, spec)})


def _shift(snapshot: Snapshot, loaded: Loaded, store: Store, spec: FleetSpec) -> Shift:
    kind, cutoff, version = snapshot.kind, snapshot.cutoff, snapshot.data_version
    trained_until = parse_time(loaded.metadata.until)
    if trained_until >= cutoff:
        return no_shift(loaded.model)
    outcome = load_outcome(store, spec, version=version, known_at=cutoff)
    starts = known_starts(kind, outcome, trained_until, cutoff, usual_horizon(loaded.model.horizons_us))
    if not starts:
        return no_shift(loaded.model)
    try:
        cases = build_cases(kind, store, spec, np.array(starts[::-1]), version=version, known_at=cutoff)
    except NotEnoughDataError:  # nothing was at risk then
        return no_shift(loaded.model)
    return shift_in(cases, loaded.model, outcome, starts, cutoff)


def judge(
    loaded: Loaded,
    snapshot: Snapshot,
    spec: FleetSpec,
    *,
    ids: Collection[str] | None = None,
    usual: Usual | None = None,
    top: int = TOP_DRIVERS,
) -> list[Score]:
    """Scores of the rows of a snapshot (of these ids), ordered by id.

    Parameters
    ----------
    usual
        What is usual for each device model; computed from the snapshot when None.
    top
        How many drivers to name.

    Raises
    ------
    ModelMismatchError
        If the model was trained on other features than the snapshot holds.
    """
    check_features(loaded, snapshot)
    shift = snapshot.shifts.get(loaded.version)
    loaded = loaded if shift is None else replace(loaded, model=shift.apply(loaded.model))
    usual = Usual.of(snapshot) if usual is None else usual
    rows = snapshot if ids is None else snapshot.of(ids)
    if len(rows.ids) == 0:
        return []
    risks = loaded.model.predict(rows.features)
    ends = loaded.model.intervals(risks)
    missing = _missing_inputs(rows.features, spec)
    reasons = _reasons(loaded, rows, usual, top)
    return [
        replace(_score(loaded, rows, i, risks, drivers=drivers, missing=gone), any_interval=_interval(ends[i]))
        for i, (drivers, gone) in enumerate(zip(reasons, missing, strict=True))
    ]


def check_features(loaded: Loaded, snapshot: Snapshot) -> None:
    """Refuse a model that was trained on another feature dictionary."""
    if loaded.metadata.dictionary_hash != snapshot.dictionary_hash:
        raise ModelMismatchError(
            f"The champion (version {loaded.version}) was trained on other features than fleet.toml now describes.",
            f"Run `aftercast train {loaded.kind}`, or undo the change to fleet.toml.",
        )


def _score(
    loaded: Loaded, rows: Snapshot, i: int, risks: Risks, *, drivers: tuple[Driver, ...], missing: tuple[str, ...]
) -> Score:
    newest = int(rows.data_as_of[i])
    return Score(
        kind=rows.kind,
        entity_id=str(rows.ids[i]),
        cutoff=rows.cutoff,
        model_version=loaded.version,
        data_version=rows.data_version,
        horizons_us=tuple(int(h) for h in risks.horizons_us),
        risks={name: tuple(risks.probability[i, :, c].tolist()) for c, name in enumerate(risks.components)},
        any_risk=tuple(risks.any_probability[i].tolist()),
        evidence=str(rows.evidence[i]),
        data_as_of=None if newest == NEVER else pd.Timestamp(newest, unit="us", tz="UTC"),
        device_model=str(rows.device_model[i]),
        customer_id=str(rows.customer_id[i]),
        drivers=drivers,
        missing=missing,
    )


def _interval(ends: npt.NDArray[np.float64]) -> tuple[tuple[float, float] | None, ...]:
    return tuple(None if np.isnan(low) else (float(low), float(high)) for low, high in ends)


def _missing_inputs(features: pd.DataFrame, spec: FleetSpec) -> list[tuple[str, ...]]:
    """Sensors none of whose features has a value, for each row."""
    absent: dict[str, npt.NDArray[np.bool_]] = {}
    for sensor in spec.sensor_names:
        columns = [column for column in features.columns if column.startswith(f"{sensor}_")]
        if columns:
            absent[sensor] = np.asarray(features[columns].isna().all(axis=1), dtype=bool)
    return [tuple(name for name, gone in absent.items() if gone[i]) for i in range(len(features))]


def _reasons(loaded: Loaded, rows: Snapshot, usual: Usual, top: int) -> list[tuple[Driver, ...]]:
    if top == 0:
        return [()] * len(rows.ids)
    features = {feature.name: feature for feature in rows.dictionary}
    found = drivers(loaded.model, rows.features, top)
    return [
        tuple(_driver(*item, features=features, usual=usual, device_model=str(rows.device_model[i])) for item in items)
        for i, items in enumerate(found)
    ]


def _driver(
    name: str, value: Any, contribution: float, *, features: dict[str, Feature], usual: Usual, device_model: str
) -> Driver:
    feature = features.get(name)
    unit, about = ("", "") if feature is None else (feature.unit, feature.about)
    plain = _plain(value)
    text = f"{readable(name)} {_shown(plain, unit)}{_beside(name, unit, usual, device_model)}"
    return Driver(name, plain, unit, float(contribution), text, about)


def _plain(value: Any) -> float | str | None:
    """JSON value of a feature: text, a number, or None when missing."""
    if isinstance(value, str):
        return value
    return None if value is None or pd.isna(value) or np.isinf(value) else float(value)


def _shown(value: float | str | None, unit: str) -> str:
    if value is None:
        return "not known"
    number = value if isinstance(value, str) else _digits(value)
    return f"{number} {unit}".rstrip()


def _beside(name: str, unit: str, usual: Usual, device_model: str) -> str:
    """Say what is usual for the model, nothing where that is not known or the feature is no number."""
    if name not in usual.mean.columns or device_model not in usual.mean.index:
        return ""
    mean, deviation = float(usual.mean.loc[device_model, name]), float(usual.deviation.loc[device_model, name])  # type: ignore[arg-type]  # stubs: Scalar
    if not (np.isfinite(mean) and np.isfinite(deviation)):
        return ""
    noun = f"model {device_model}" if device_model else "customers"
    return f", usual for {noun} {_digits(mean)} ± {_digits(deviation)} {unit}".rstrip()


def _digits(value: float) -> str:
    """Return a number with about three digits and no exponent.

    >>> _digits(4080.0), _digits(52.123), _digits(-0.01234), _digits(0.0), _digits(1e-8)
    ('4,080', '52.1', '-0.0123', '0', '0')
    """
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 0.001 else "0"


_WINDOW: Final = re.compile(r"(?<=_)(\d+)(h|d)(?=_|$)")


def readable(name: str) -> str:
    """Return a feature name as people read it.

    >>> readable("vibration_mean_24h"), readable("days_since_repair")
    ('vibration mean 24 h', 'days since repair')
    """
    return _WINDOW.sub(r"\1 \2", name).replace("_", " ")
