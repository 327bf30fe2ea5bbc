"""Backtest: what a model trained on the past would have said later, beside its baselines, cutoff after cutoff."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from aftercast.data.clocks import cutoff_grid, format_duration, parse_duration_us, timestamp_us
from aftercast.data.errors import NotEnoughDataError
from aftercast.data.fleet import FleetSpec
from aftercast.data.store import Store
from aftercast.features.labels import Outcome, load_outcome
from aftercast.models.cases import Cases, Kind, Progress, build_cases, cadence_us, first_moment, horizons_of
from aftercast.models.evaluation import Floats, Truth, evaluate
from aftercast.models.report import BacktestReport
from aftercast.models.splits import check_gap, check_observed, training_cutoffs
from aftercast.models.training import Trained, train_model

Retrain = Literal["once", "daily"]


@dataclass(frozen=True)
class _Plan:
    """What a backtest does; cutoffs in microseconds."""

    kind: Kind
    spec: FleetSpec
    horizon_us: int
    train_until: pd.Timestamp
    retrain: Retrain
    seed: int

    @property
    def horizons(self) -> list[int]:
        """Horizons of the models: those of the spec below the horizon, and itself."""
        return sorted({h for h in horizons_of(self.kind, self.spec) if h < self.horizon_us} | {self.horizon_us})

    def trainings(self, tests: np.ndarray[tuple[int], np.dtype[np.int64]]) -> list[tuple[pd.Timestamp, list[int]]]:
        """When a model is trained, and the test cutoffs it forecasts."""
        if self.retrain == "once":
            return [(self.train_until, tests.tolist())]
        return [(pd.Timestamp(int(cutoff), unit="us", tz="UTC"), [int(cutoff)]) for cutoff in tests]


def backtest(
    kind: Kind,
    store: Store,
    spec: FleetSpec,
    *,
    version: int | None = None,
    train_until: pd.Timestamp,
    test_from: pd.Timestamp,
    test_until: pd.Timestamp,
    horizon: str,
    every: str = "24h",
    retrain: Retrain = "once",
    seed: int = 0,
    progress: Progress | None = None,
) -> BacktestReport:
    """Train on what was known at ``train_until`` (daily: at each test cutoff) and forecast the cutoffs of the test.

    Parameters
    ----------
    test_from, test_until
        First and last test cutoff, both included.
    horizon, every
        How far ahead, and the time between test cutoffs.

    Raises
    ------
    SettingsError
        If the test begins before training ends.
    NotEnoughDataError
        If a test label would reach beyond what was observed, or training has too few failures.
    """
    began = time.perf_counter()
    check_gap(train_until, test_from)
    version = store.version() if version is None else version
    observed = store.observed_until(version)
    plan = _Plan(kind, spec, parse_duration_us(horizon), train_until, retrain, seed)
    tests = cutoff_grid(test_from, test_until, parse_duration_us(every))
    if observed is None or len(tests) == 0:
        raise NotEnoughDataError(
            "There is nothing to test on.", "Import history, and let --test-until follow --test-from."
        )
    check_observed(int(tests[-1]), plan.horizon_us, observed)
    last = train_until if retrain == "once" else test_until
    first = first_moment(kind, store, version)
    grid = np.union1d(training_cutoffs(first, timestamp_us(last), cadence_us(kind, spec)), tests)
    cases = build_cases(kind, store, spec, grid, version=version, progress=progress)
    outcome = load_outcome(store, spec, version=version)
    test = cases.take(np.isin(cases.examples.cutoff_us, tests))
    forecasts = _forecast(plan, cases, test, outcome, tests=tests, progress=progress)
    truth = Truth(test.examples, test.labels(outcome, observed), plan.horizon_us, parse_duration_us(every))
    return BacktestReport(
        kind=kind,
        horizon=format_duration(plan.horizon_us),
        train_until=train_until,
        test_from=test_from,
        test_until=test_until,
        every=every,
        retrain=retrain,
        data_version=version,
        feature_dictionary_hash=cases.dictionary_hash,
        n_devices=len(np.unique(test.examples.ids)),
        seconds=time.perf_counter() - began,
        results={name: evaluate(truth, values, thresholds) for name, (values, thresholds) in forecasts.items()},
    )


def _forecast(
    plan: _Plan,
    cases: Cases,
    test: Cases,
    outcome: Outcome,
    *,
    tests: np.ndarray[tuple[int], np.dtype[np.int64]],
    progress: Progress | None,
) -> dict[str, tuple[Floats, Floats]]:
    """Model name -> probabilities and thresholds of the test rows, both shape (n, C + 1)."""
    out: dict[str, tuple[Floats, Floats]] = {}
    for moment, cutoffs in plan.trainings(tests):
        if progress is not None:
            progress(f"training until {moment:%Y-%m-%d}", len(test.examples))
        rows = np.isin(test.examples.cutoff_us, cutoffs)
        if rows.any():
            trained = _train(plan, cases, outcome, moment)
            for name, values, thresholds in _predictions(trained, test.features[rows].reset_index(drop=True)):
                shape = (len(rows), values.shape[1])
                kept = out.setdefault(name, (np.full(shape, np.nan), np.full(shape, np.nan)))
                kept[0][rows], kept[1][rows] = values, thresholds
    return out


def _train(plan: _Plan, cases: Cases, outcome: Outcome, moment: pd.Timestamp) -> Trained:
    """Train on the cutoffs before a moment with the outcomes known then."""
    past = cases.take(cases.examples.cutoff_us < timestamp_us(moment))
    known = Outcome(outcome.spec, outcome.devices.known_at(moment), outcome.customers.known_at(moment))
    return train_model(
        plan.kind,
        past.features,
        past.examples,
        past.labels(known, moment),
        plan.spec,
        horizons_us=plan.horizons,
        horizon_us=plan.horizon_us,
        until=moment,
        seed=plan.seed,
    )


def _predictions(trained: Trained, features: pd.DataFrame) -> Iterator[tuple[str, Floats, Floats]]:
    for name, values in trained.predict(features).items():
        yield name, values, trained.thresholds[name]
