"""Metrics of the models that the scraped worker holds, and of the rows they judge."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from prometheus_client.metrics_core import Metric

from aftercast.models.scoring.snapshot import Snapshot
from aftercast.operations.clocks import HOUR_US, NEVER
from aftercast.operations.database.forecasts import Kind
from aftercast.serving.kinds import SERVED
from aftercast.serving.metrics.catalogue import (
    DEVICES,
    FAILING,
    MODEL,
    MODEL_AGE,
    ROWS_AGE,
    SILENT,
    Values,
)
from aftercast.serving.model_holder import Champions

SILENT_US = 24 * HOUR_US


def model_metrics(champions: Champions, now: pd.Timestamp) -> list[Metric]:
    """Which models answer in this worker, and how old they and their rows are."""
    held = {kind: champions.held(kind) for kind in SERVED}
    loaded = [(each.loaded.kind, each.loaded.version, each.loaded.run_id) for each in held.values() if each.loaded]
    learnt = {kind: each.trained_until for kind, each in held.items()}
    scored = {kind: None if each.rows is None else each.rows.snapshot.cutoff for kind, each in held.items()}
    return [
        MODEL.of((labels, 1) for labels in loaded),
        MODEL_AGE.of(_ages(learnt, now)),
        ROWS_AGE.of(_ages(scored, now)),
        FAILING.of(((kind,), champions.failing(kind) is not None) for kind in SERVED),
    ]


def _ages(moments: Mapping[Kind, pd.Timestamp | None], now: pd.Timestamp) -> Values:
    return [((kind,), (now - moment).total_seconds()) for kind, moment in moments.items() if moment is not None]


class DeviceMetrics:
    """Counts of the devices of the last scoring, made once for each snapshot.

    A device is silent by its own cutoff and not by the clock or the end of the data: rows say what was known at their
    cutoff, and all of them would seem silent just before the next scoring.
    """

    def __init__(self, champions: Champions) -> None:
        self._champions = champions
        self._of: Snapshot | None = None
        self._metrics: list[Metric] = []

    def collect(self) -> list[Metric]:
        """Metrics of the rows that are held; nothing where there are none."""
        rows = self._champions.held("failure").rows
        if rows is None:
            return []
        if rows.snapshot is not self._of:
            self._of, self._metrics = rows.snapshot, device_metrics(rows.snapshot)
        return self._metrics


def device_metrics(snapshot: Snapshot) -> list[Metric]:
    """Devices by evidence, and how many are silent."""
    evidence, counts = np.unique(snapshot.evidence.astype(str), return_counts=True)
    known = snapshot.data_as_of
    silent = (known == NEVER) | (known < snapshot.cutoff_us - SILENT_US)
    by_evidence = {"telemetry": 0, "history": 0, "cohort": 0} | dict(
        zip(evidence.tolist(), counts.tolist(), strict=True)
    )
    return [DEVICES.of(((name,), count) for name, count in by_evidence.items()), *SILENT.one(int(silent.sum()))]
