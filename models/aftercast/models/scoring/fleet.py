"""Scoring: what the champion says of every device or customer of a snapshot, with the reasons.

Batch and service both judge through :func:`judge`, so that one device has one answer.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Final

import numpy as np

from aftercast.data.fleet import FleetSpec
from aftercast.data.store import Store
from aftercast.features.labels import load_outcome
from aftercast.models.examples.cases import build_cases, usual_horizon
from aftercast.models.fit.base_rate_shift import Shift, known_starts, no_shift, shift_in
from aftercast.models.hazard import HazardModel
from aftercast.models.hazard.forecast import HazardForecast
from aftercast.models.registry.versions import Loaded
from aftercast.models.scoring.forecast_rows import ForecastRows, Usual
from aftercast.models.scoring.risk_arrays import MOST_DRIVERS, judge_rows
from aftercast.models.scoring.snapshot import Snapshot
from aftercast.operations.clocks import parse_time
from aftercast.operations.errors import ModelMismatchError, NotEnoughDataError

TOP_DRIVERS: Final = 5


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
) -> list[HazardForecast]:
    """Forecasts of the rows of a snapshot (of these ids), ordered by id.

    Raises
    ------
    ModelMismatchError
        If the model was trained on other features than the snapshot holds.
    """
    rows = snapshot if ids is None else snapshot.of(ids)
    judged = forecast_rows_of(loaded, rows, spec, usual=Usual.of(snapshot), top=TOP_DRIVERS)
    return [judged.forecast(i, TOP_DRIVERS) for i in range(len(rows.ids))]


def forecast_rows_of(
    loaded: Loaded, rows: Snapshot, spec: FleetSpec, *, usual: Usual | None = None, top: int = MOST_DRIVERS
) -> ForecastRows:
    """Rows with the judgement of a model: the one kept with them, or a new one where they have none.

    Raises
    ------
    ModelMismatchError
        If the model was trained on other features than the rows hold.
    """
    check_features(loaded, rows)
    kept = rows.judged.get(loaded.run_id)
    judged = judge_rows(shifted(loaded, rows), rows.features, top) if kept is None else kept
    names = loaded.model.schema.names
    return ForecastRows(rows, judged, loaded.version, names, Usual.of(rows) if usual is None else usual, spec)


def with_judgement(snapshot: Snapshot, loaded: Loaded) -> Snapshot:
    """Snapshot that keeps what a model says of its rows."""
    check_features(loaded, snapshot)
    found = judge_rows(shifted(loaded, snapshot), snapshot.features)
    return replace(snapshot, judged={**snapshot.judged, loaded.run_id: found})


def shifted(loaded: Loaded, snapshot: Snapshot) -> HazardModel:
    """Model moved to the base rate that the snapshot knows of."""
    shift = snapshot.shifts.get(loaded.version)
    return loaded.model if shift is None else shift.apply(loaded.model)


def check_features(loaded: Loaded, snapshot: Snapshot) -> None:
    """Refuse a model that was trained on another feature dictionary."""
    if loaded.metadata.dictionary_hash != snapshot.dictionary_hash:
        raise ModelMismatchError(
            f"The champion (version {loaded.version}) was trained on other features than fleet.toml and the views.",
            f"Run `aftercast train {loaded.kind}`, or undo the change to fleet.toml or the views.",
        )
