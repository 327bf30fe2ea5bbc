"""Similar past cases: devices judged for the same reasons before, and what is known to have become of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from aftercast.data.fleet import FleetSpec
from aftercast.data.store import Store
from aftercast.features.labels import Labels, load_outcome
from aftercast.models.aliases import Floats, Progress
from aftercast.models.examples.cases import Cases, build_cases, first_moment
from aftercast.models.fit.shift_windows import moment_of
from aftercast.models.hazard import HazardModel
from aftercast.models.hazard.calibration import log_odds
from aftercast.models.hazard.drivers import contributions
from aftercast.models.scoring.snapshot import Snapshot
from aftercast.operations.clocks import DAY_US, timestamp_us
from aftercast.operations.errors import NotEnoughDataError

EVERY_US: Final = 7 * DAY_US
MOST_CUTOFFS: Final = 52
MOST_COMPARED: Final = 2_000


@dataclass(frozen=True)
class SimilarCase:
    """A device, or customer, at an earlier cutoff.

    Attributes
    ----------
    distance
        Euclidean distance of the contributions of the features to the log-odds; 0: the same reasons to the same extent.
    probability
        What the model says of it now, any failure within the horizon.
    component, after_days
        The first failure within the model's longest horizon, and how long after the cutoff; None where none is known.
    watched_days
        How long after the cutoff the device was watched, at most the longest horizon.
    """

    entity_id: str
    device_model: str
    cutoff: pd.Timestamp
    distance: float
    probability: float
    component: str | None
    after_days: float | None
    watched_days: float


def similar_cases(
    model: HazardModel,
    row: Snapshot,
    store: Store,
    spec: FleetSpec,
    *,
    horizon_us: int,
    count: int = 5,
    progress: Progress | None = None,
) -> list[SimilarCase]:
    """Nearest earlier cases whose outcome was known at the cutoff of the row, one for each device, nearest first.

    Cases are the fleet at weekly cutoffs, the last one a horizon before the row's, at most a year back. Two cases are
    near where the same features move their risk alike: the distance is that of their SHAP values (supervised
    clustering, Lundberg, Erion and Lee 2018), so that what does not matter does not count. Only the cases whose
    log-odds lie nearest are compared, :data:`MOST_COMPARED` of them: these sums of the contributions cannot differ
    more than they do.

    Parameters
    ----------
    row
        Snapshot of the one device.

    Returns
    -------
    list
        Shorter than ``count`` where fewer devices have an earlier case; empty where there is no earlier time.
    """
    cases = _earlier(row, store, spec, horizon_us, progress)
    if cases is None:
        return []
    labels = cases.labels(load_outcome(store, spec, version=row.data_version, known_at=row.cutoff), row.cutoff)
    told = labels.valid & (labels.known_within(horizon_us).all(axis=1) | labels.event_within(0, horizon_us).any(axis=1))
    cases, labels = cases.take(told), labels.take(told)
    probability = model.predict(cases.features).within(horizon_us)[1]
    asked = model.predict(row.features).within(horizon_us)[1]
    near = np.argsort(np.abs(log_odds(probability) - log_odds(asked)), kind="stable")[:MOST_COMPARED]
    near.sort()
    chosen = cases.take(np.isin(np.arange(len(probability)), near))
    if progress is not None:
        progress("similar cases among", len(near))
    away = contributions(model, chosen.features) - contributions(model, row.features)
    distance = np.sqrt((away**2).sum(axis=1))
    first = _nearest_of_each(chosen.examples.ids, distance)[:count]
    names = _models_of(store, row)
    return [
        SimilarCase(
            entity_id=(entity := str(chosen.examples.ids[i])),
            device_model=names.get(entity, ""),
            cutoff=moment_of(int(chosen.examples.cutoff_us[i])),
            distance=float(distance[i]),
            probability=float(probability[near[i]]),
            **_became(labels, int(near[i]), int(model.horizons_us[-1])),
        )
        for i in first
    ]


def _earlier(row: Snapshot, store: Store, spec: FleetSpec, horizon_us: int, progress: Progress | None) -> Cases | None:
    last, first = timestamp_us(row.cutoff) - horizon_us, first_moment(row.kind, store, row.data_version, row.cutoff)
    cutoffs = last - EVERY_US * np.arange(MOST_CUTOFFS, dtype=np.int64)[::-1]
    cutoffs = cutoffs[cutoffs >= first]
    if len(cutoffs) == 0:
        return None
    try:
        return build_cases(
            row.kind, store, spec, cutoffs, version=row.data_version, known_at=row.cutoff, progress=progress
        )
    except NotEnoughDataError:  # nothing was at risk then
        return None


def _nearest_of_each(ids: npt.NDArray[np.str_], distance: Floats) -> list[int]:
    """Position of the nearest case of each device, nearest first; the later cutoff where two are equally near."""
    order = np.lexsort((-np.arange(len(ids)), distance))
    _, first = np.unique(ids[order], return_index=True)
    return [int(i) for i in order[np.sort(first)]]


def _became(labels: Labels, i: int, longest_us: int) -> dict[str, Any]:
    """Component and days of the first failure of a row within the longest horizon, and days watched."""
    time = labels.time_to_event_us[i]
    c = int(np.argmin(time))
    watched = min(int(labels.follow_up_us[i].min()), longest_us) / DAY_US
    if int(time[c]) > longest_us:
        return {"component": None, "after_days": None, "watched_days": watched}
    return {"component": labels.components[c], "after_days": int(time[c]) / DAY_US, "watched_days": watched}


def _models_of(store: Store, row: Snapshot) -> dict[str, str]:
    """Device -> model, as known at the cutoff."""
    rows = store.read("devices", version=row.data_version, known_at=row.cutoff, columns=["device_id", "device_model"])
    newest = rows.drop_duplicates("device_id", keep="last")
    return dict(zip(newest["device_id"], newest["device_model"].astype(str), strict=True))
