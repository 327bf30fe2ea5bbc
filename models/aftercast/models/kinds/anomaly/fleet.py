"""The whole fleet of a store at one cutoff: a view is fitted on what was known before it, and judges it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from aftercast.data.fleet import FleetSpec
from aftercast.data.store import Store
from aftercast.features.build import build_device_features, concat_features
from aftercast.features.examples import Examples, device_examples
from aftercast.features.history import load_history
from aftercast.models.kinds.anomaly.ignored import impossible_readings
from aftercast.models.kinds.anomaly.settings import AnomalySettings
from aftercast.models.kinds.anomaly.signals import SHARE, signals_of
from aftercast.models.kinds.anomaly.view import AnomalyView, fit_anomaly_view
from aftercast.operations.clocks import from_us, parse_duration_us, timestamp_us
from aftercast.operations.errors import InputError, NotEnoughDataError

Progress = Callable[[str, int], None]
REFERENCE: Final = "365d"
_STATES: Final = ("unusual", "dark", "not judged", "usual")


@dataclass(frozen=True)
class FleetAnomalies:
    """What a view says of every device in the field at a cutoff.

    Attributes
    ----------
    scored
        As :meth:`AnomalyView.score` returns, with ``device_model``; one row per device: unusual ones first, by score,
        then dark ones, longest silent last, then those that could not be judged, then the rest.
    """

    cutoff: pd.Timestamp
    data_version: int
    view: AnomalyView
    scored: pd.DataFrame

    def count(self, state: str) -> int:
        """Devices in a state."""
        return int((self.scored["state"] == state).sum())

    @property
    def worth_showing(self) -> pd.DataFrame:
        """Devices that are not usual."""
        return self.scored[self.scored["state"] != "usual"]

    @property
    def noticed(self) -> pd.DataFrame:
        """Usual devices of which there is something to notice."""
        return self.scored[(self.scored["state"] == "usual") & (self.scored["notices"].str.len() > 0)]

    def to_dict(self, top: int | None = None) -> dict[str, Any]:
        """Plain values: the rate asked for and seen, counts, and the devices worth showing, at most ``top``."""
        rows = self.worth_showing if top is None else self.worth_showing.head(top)
        reference = self.view.reference
        return {
            "cutoff": self.cutoff.isoformat(),
            "data_version": self.data_version,
            "alarms_per_device_month": {
                "asked": self.view.rate,
                "reference": reference.per_device_month,
                "reference_at_most": reference.upper(self.view.settings.confidence),
                "confidence": self.view.settings.confidence,
                "reference_episodes": reference.episodes,
                "reference_device_months": reference.device_months,
            },
            "alarm_from": self.view.threshold,
            "devices": {state.replace(" ", "_"): self.count(state) for state in _STATES},
            "usual_with_notices": [
                {"device_id": row["device_id"], "notices": list(row["notices"])}
                for row in self.noticed.to_dict("records")
            ],
            "shown": [_plain(row) for row in rows.to_dict("records")],
        }


def judge_fleet(
    store: Store,
    spec: FleetSpec,
    *,
    cutoff: pd.Timestamp | None = None,
    alarms_per_device_month: float,
    quiet: str = "7d",
    settings: AnomalySettings | None = None,
    progress: Progress | None = None,
) -> FleetAnomalies:
    """Fit a view on the cutoffs before one, as far back as telemetry or :data:`REFERENCE` goes, and judge the fleet.

    Cutoffs are ``training.cutoff_every`` apart, counted back from the one judged; at each only what was known then is
    read.

    Parameters
    ----------
    cutoff
        UTC; None is the latest of the grid that counts from 1970-01-01 00:00 UTC.

    Raises
    ------
    NotEnoughDataError
        If there is no telemetry before the cutoff, no device in the field, or too little time to hold the rate.
    InputError
        If the cutoff is later than the data.
    """
    version = store.version()
    until = store.observed_until(version)
    if until is None:
        raise NotEnoughDataError("The workspace holds no data.", "Run `aftercast import SOURCE PATH`.")
    if cutoff is None:
        every = parse_duration_us(spec.training.cutoff_every)
        cutoff = from_us(np.array([timestamp_us(until) // every * every]))[0]
    if cutoff > until:
        raise InputError(
            f"The cutoff {cutoff:%Y-%m-%d %H:%M} is later than the data, which end at {until:%Y-%m-%d %H:%M} UTC.",
            "Import newer data, or take an earlier cutoff.",
        )
    cutoffs = reference_cutoffs(store, spec, cutoff, version)
    features, examples = telemetry_rows(store, spec, cutoffs, version=version, progress=progress)
    quarantined = impossible_readings(store.quarantine(version))
    now = examples.cutoff_us == cutoffs[-1]
    if not now.any():
        raise NotEnoughDataError(f"No device is in the field at {cutoff:%Y-%m-%d %H:%M} UTC.", "Take another cutoff.")
    view = fit_anomaly_view(
        features[~now].reset_index(drop=True),
        examples.take(~now),
        spec,
        alarms_per_device_month=alarms_per_device_month,
        quiet=quiet,
        quarantined=quarantined,
        settings=settings,
    )
    scored = view.score(features, examples, quarantined=quarantined)[now]
    models = features.loc[now, "device_model"].astype(object).to_numpy()
    return FleetAnomalies(cutoff, version, view, _in_order(scored.assign(device_model=models)))


def reference_cutoffs(store: Store, spec: FleetSpec, cutoff: pd.Timestamp, version: int) -> npt.NDArray[np.int64]:
    """Cutoffs ending with the given one, ascending, microseconds.

    Raises
    ------
    NotEnoughDataError
        If there is no telemetry before the cutoff.
    """
    times = store.read("telemetry", version=version, known_at=cutoff, columns=["event_time"])["event_time"]
    if times.dropna().empty:
        raise NotEnoughDataError(
            "The store holds no telemetry before the cutoff, so nothing can be unusual.", "Import telemetry."
        )
    every, last = parse_duration_us(spec.training.cutoff_every), timestamp_us(cutoff)
    first = max(timestamp_us(times.min()), last - parse_duration_us(REFERENCE))
    return np.arange(last, first, -every, dtype=np.int64)[::-1]


def telemetry_rows(
    store: Store,
    spec: FleetSpec,
    cutoffs_us: npt.NDArray[np.int64],
    *,
    version: int,
    progress: Progress | None = None,
) -> tuple[pd.DataFrame, Examples]:
    """Feature columns that a view needs, of every device in the field at the cutoffs, bucket by bucket.

    Raises
    ------
    NotEnoughDataError
        If no device is in the field at any cutoff.
    """
    parts: list[tuple[Examples, pd.DataFrame]] = []
    for bucket in range(store.device_buckets):
        history = load_history(store, spec, version=version, bucket=bucket)
        examples = device_examples(history, cutoffs_us)
        if len(examples) > 0:
            frame = build_device_features(history, examples, stage="device")
            parts.append((examples, frame[_columns(frame, spec)]))
        if progress is not None:
            progress(f"bucket {bucket + 1} of {store.device_buckets},", len(examples))
    if not parts:
        raise NotEnoughDataError("No device is in the field at any cutoff.", "Import devices.")
    ids = np.concatenate([examples.ids for examples, _ in parts])
    moments = np.concatenate([examples.cutoff_us for examples, _ in parts])
    order = np.lexsort((moments, ids))
    joined = concat_features([frame for _, frame in parts]).iloc[order].reset_index(drop=True)
    return joined, Examples(ids[order], moments[order], "device_id")


def _columns(frame: pd.DataFrame, spec: FleetSpec) -> list[str]:
    wanted = {signal.column for signal in signals_of(spec)} | {f"{name}_age_hours" for name in spec.component_names}
    wanted |= {"telemetry_age_hours", "device_model"}
    return [name for name in frame.columns if name in wanted or name.startswith(SHARE)]


def _in_order(scored: pd.DataFrame) -> pd.DataFrame:
    rank = scored["state"].map({state: place for place, state in enumerate(_STATES)})
    keyed = scored.assign(__rank=rank)
    return (
        keyed.sort_values(
            ["__rank", "anomaly_score", "silent_since", "device_id"],
            ascending=[True, False, False, True],
            kind="stable",
        )
        .drop(columns="__rank")
        .reset_index(drop=True)
    )


def _plain(row: dict[Any, Any]) -> dict[str, Any]:
    score = row["anomaly_score"]
    return {
        "device_id": row["device_id"],
        "device_model": row["device_model"] if isinstance(row["device_model"], str) else None,
        "state": row["state"],
        "anomaly_score": None if np.isnan(score) else float(score),
        "unusual_since": None if pd.isna(row["unusual_since"]) else row["unusual_since"].isoformat(),
        "silent_since": None if pd.isna(row["silent_since"]) else row["silent_since"].isoformat(),
        "deviations": [each.to_dict() for each in row["deviations"]],
        "notices": list(row["notices"]),
    }
