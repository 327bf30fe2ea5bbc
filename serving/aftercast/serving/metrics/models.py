"""Metrics of the models that the scraped worker holds, and of the rows they judge."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import pandas as pd
from prometheus_client.metrics_core import Metric

from aftercast.operations.clocks import HOUR_US, NEVER
from aftercast.serving.kinds import served_kinds
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
from aftercast.serving.response_cache import Rows

SILENT_US = 24 * HOUR_US


def model_metrics(champions: Champions, now: pd.Timestamp) -> list[Metric]:
    """Which models answer in this worker, and how old they and their rows are."""
    held = {kind: champions.held(kind) for kind in served_kinds()}
    loaded = [(each.loaded.kind, each.loaded.version, each.loaded.run_id) for each in held.values() if each.loaded]
    learnt = {kind: each.trained_until for kind, each in held.items()}
    scored = {kind: None if each.rows is None else each.rows.snapshot.cutoff for kind, each in held.items()}
    return [
        MODEL.of((labels, 1) for labels in loaded),
        MODEL_AGE.of(_ages(learnt, now)),
        ROWS_AGE.of(_ages(scored, now)),
        FAILING.of(((kind,), champions.failing(kind) is not None) for kind in served_kinds()),
    ]


def _ages(moments: Mapping[str, pd.Timestamp | None], now: pd.Timestamp) -> Values:
    return [((kind,), (now - moment).total_seconds()) for kind, moment in moments.items() if moment is not None]


@lru_cache(maxsize=1)
def device_metrics(rows: Rows) -> list[Metric]:
    """Devices of the last scoring by evidence, and how many are silent; counted once for the rows that are held.

    A device is silent by its own cutoff and not by the clock or the end of the data: rows say what was known at their
    cutoff, and all of them would seem silent just before the next scoring.
    """
    snapshot = rows.snapshot
    evidence, counts = np.unique(snapshot.evidence.astype(str), return_counts=True)
    silent = (snapshot.data_as_of == NEVER) | (snapshot.data_as_of < snapshot.cutoff_us - SILENT_US)
    found = dict(zip(evidence.tolist(), counts.tolist(), strict=True))
    by_evidence = {"telemetry": 0, "history": 0, "cohort": 0} | found
    return [DEVICES.of(((name,), count) for name, count in by_evidence.items()), *SILENT.one(int(silent.sum()))]
