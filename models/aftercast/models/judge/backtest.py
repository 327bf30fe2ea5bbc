"""Backtest: what a model trained on the past would have said later, beside its baselines, cutoff after cutoff."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from aftercast.data.fleet import FleetSpec
from aftercast.data.store import Store
from aftercast.features.labels import Outcome, load_outcome
from aftercast.models.aliases import Floats, Ints, Progress
from aftercast.models.examples.cases import Cases, build_cases, cadence_us, first_moment, horizons_of, usual_horizon
from aftercast.models.examples.consent import Ids, without
from aftercast.models.examples.holdouts import Held, HoldOut, held_out, parse_hold_out
from aftercast.models.examples.splits import check_gap, check_observed, training_cutoffs
from aftercast.models.fit.shift_windows import Watched, corrected, moment_of, window_starts_of
from aftercast.models.fit.training import OWN, Trained, train_model
from aftercast.models.hazard import HazardSettings
from aftercast.models.judge.assessment import assess
from aftercast.models.judge.forecasts import Forecasts
from aftercast.models.judge.report import BacktestReport
from aftercast.models.kinds import hazard_kind
from aftercast.models.metrics.evaluation import Truth
from aftercast.operations.clocks import cutoff_grid, format_duration, parse_duration_us, timestamp_us
from aftercast.operations.errors import NotEnoughDataError, SettingsError

Retrain = Literal["once", "daily"]


@dataclass(frozen=True)
class _Data:
    """What a backtest trains on and tests; where devices are held out, they are tested and nothing else.

    Attributes
    ----------
    refused
        Who is left out of the training at each moment.
    """

    past: Cases
    refused: Mapping[pd.Timestamp, Ids]
    test: Cases
    watched: Watched
    outcome: Outcome
    truth: Truth
    held: Held | None


@dataclass(frozen=True)
class _Plan:
    """What a backtest does; cutoffs in microseconds."""

    kind: str
    spec: FleetSpec
    version: int
    horizon_us: int
    every_us: int
    act_within_us: int
    moments: tuple[pd.Timestamp, ...]
    tests: Ints
    retrain: Retrain
    hold_out: HoldOut | None
    shift: bool
    seed: int
    settings: HazardSettings | None

    @property
    def window_us(self) -> int:
        """Length of the windows a shift is looked for in."""
        return usual_horizon(self.horizons)

    @property
    def horizons(self) -> list[int]:
        """Horizons of the models: those of the spec below the horizon, and itself."""
        return sorted({h for h in horizons_of(self.kind, self.spec) if h < self.horizon_us} | {self.horizon_us})

    @property
    def trainings(self) -> list[tuple[pd.Timestamp, list[int]]]:
        """When a model is trained, and the test cutoffs it forecasts: those until the next training."""
        if self.retrain == "daily":
            return [(moment_of(cutoff), [int(cutoff)]) for cutoff in self.tests]
        fold = np.searchsorted([timestamp_us(each) for each in self.moments], self.tests, side="right") - 1
        return [(moment, self.tests[fold == i].tolist()) for i, moment in enumerate(self.moments) if (fold == i).any()]

    @property
    def folds(self) -> list[dict[str, Any]]:
        """Each training and its test cutoffs, as JSON values."""
        return [
            {
                "train_until": moment.isoformat(),
                "test_from": moment_of(cutoffs[0]).isoformat(),
                "test_until": moment_of(cutoffs[-1]).isoformat(),
                "cutoffs": len(cutoffs),
            }
            for moment, cutoffs in self.trainings
        ]


def backtest(
    kind: str,
    store: Store,
    spec: FleetSpec,
    *,
    version: int | None = None,
    train_until: pd.Timestamp | Sequence[pd.Timestamp],
    test_from: pd.Timestamp,
    test_until: pd.Timestamp,
    horizon: str,
    every: str = "24h",
    retrain: Retrain = "once",
    act_within: str | None = None,
    hold_out: str | None = None,
    shift: bool = True,
    draws: int = 0,
    seed: int = 0,
    settings: HazardSettings | None = None,
    progress: Progress | None = None,
) -> BacktestReport:
    """Train on what was known at ``train_until`` (daily: at each test cutoff) and forecast the cutoffs of the test.

    Parameters
    ----------
    train_until
        One or several instants. Of several, each training forecasts the test cutoffs from its instant until the next
        one's (open); metrics are of all of them together.
    test_from, test_until
        First and last test cutoff, both included.
    horizon, every
        How far ahead, and the time between test cutoffs.
    act_within
        Time needed to act: a failure counts as found by alarms at least that long before it.
    hold_out
        ``devices:0.2`` or ``newest``: test only devices that no training sees (see ``holdouts``).
    shift
        Whether our own model's odds are moved at each test cutoff by what came since its training, as scoring does.
    draws
        Draws of devices for 95 % intervals; 0: none.
    settings
        Of our own model's boosters; None for the defaults.

    Raises
    ------
    SettingsError
        If the test begins before training ends, or a hold-out or training times are not understood.
    NotEnoughDataError
        If a test label would reach beyond what was observed, or training has too few failures.
    """
    began = time.perf_counter()
    plan = _Plan(
        kind=kind,
        spec=spec,
        version=store.version() if version is None else version,
        horizon_us=parse_duration_us(horizon),
        every_us=parse_duration_us(every),
        act_within_us=0 if act_within is None else parse_duration_us(act_within),
        moments=_moments(train_until, retrain),
        tests=cutoff_grid(test_from, test_until, parse_duration_us(every)),
        retrain=retrain,
        hold_out=None if hold_out is None else parse_hold_out(hold_out),
        shift=shift,
        seed=seed,
        settings=settings,
    )
    check_gap(plan.moments[0], test_from)
    _check_time_to_act(plan)
    data = _data(plan, store, progress)
    forecasts = Forecasts(kind, data.truth, _forecast(plan, data, progress))
    found = assess(forecasts, spec, data.test.features, draws=draws, progress=progress)
    return BacktestReport(
        kind=kind,
        horizon=format_duration(plan.horizon_us),
        train_until=plan.moments[0],
        test_from=test_from,
        test_until=test_until,
        every=every,
        retrain=retrain,
        data_version=plan.version,
        feature_dictionary_hash=data.test.dictionary_hash,
        n_devices=len(np.unique(data.test.examples.ids)),
        seconds=time.perf_counter() - began,
        act_within=act_within,
        hold_out=None if data.held is None or plan.hold_out is None else f"{plan.hold_out.text}: {data.held.about}",
        folds=plan.folds,
        draws=draws,
        forecasts=forecasts,
        **found,
    )


def _moments(train_until: pd.Timestamp | Sequence[pd.Timestamp], retrain: Retrain) -> tuple[pd.Timestamp, ...]:
    """Instants at which models are trained, ascending and distinct."""
    moments = (train_until,) if isinstance(train_until, pd.Timestamp) else tuple(sorted(set(train_until)))
    if len(moments) == 0 or (len(moments) > 1 and retrain == "daily"):
        raise SettingsError(
            f"{len(moments)} times to train until were given, and to retrain {retrain}.",
            "Give one --train-until, or several with --retrain once.",
        )
    return moments


def _check_time_to_act(plan: _Plan) -> None:
    if plan.act_within_us >= plan.horizon_us:
        raise SettingsError(
            f"Nothing can be found: it takes {format_duration(plan.act_within_us)} to act, and forecasts look "
            f"{format_duration(plan.horizon_us)} ahead.",
            "Choose --act-within shorter than --horizon.",
        )


def _data(plan: _Plan, store: Store, progress: Progress | None) -> _Data:
    """Build the cases of training and test cutoffs and what became of the tested ones."""
    observed = store.observed_until(plan.version)
    if observed is None or len(plan.tests) == 0:
        raise NotEnoughDataError(
            "There is nothing to test on.", "Import history, and let --test-until follow --test-from."
        )
    check_observed(int(plan.tests[-1]), plan.horizon_us, observed)
    last = timestamp_us(plan.moments[-1]) if plan.retrain == "once" else int(plan.tests[-1])
    first = first_moment(plan.kind, store, plan.version, plan.moments[0])
    grid = training_cutoffs(first, last, cadence_us(plan.kind, plan.spec))
    outcome = load_outcome(store, plan.spec, version=plan.version)
    starts = window_starts_of(plan.kind, outcome, plan.trainings, plan.window_us) if plan.shift else {}
    looked = np.array(sorted({start for each in starts.values() for start in each}), dtype=np.int64)
    every = np.unique(np.concatenate([grid, plan.tests, looked]))
    cases = build_cases(plan.kind, store, plan.spec, every, version=plan.version, progress=progress)
    known, test, held = _parted(plan, cases, store)
    past, watched = (known.take(np.isin(known.examples.cutoff_us, each)) for each in (grid, looked))
    if len(test.examples) == 0:
        raise NotEnoughDataError(
            "No one who is tested is at risk at any test cutoff.", "Test other cutoffs, or hold out others."
        )
    truth = Truth(test.examples, test.labels(outcome, observed), plan.horizon_us, plan.every_us, plan.act_within_us)
    refused = {
        moment: hazard_kind(plan.kind).refusals(store, version=plan.version, known_at=moment)
        for moment, _ in plan.trainings
    }
    return _Data(past, refused, test, Watched(watched, starts, outcome), outcome, truth, held)


def _parted(plan: _Plan, cases: Cases, store: Store) -> tuple[Cases, Cases, Held | None]:
    """Cases that may be trained on, cases tested, and which devices are held out."""
    tested = np.isin(cases.examples.cutoff_us, plan.tests)
    if plan.hold_out is None:
        return cases, cases.take(tested), None
    ids = np.unique(cases.examples.ids[tested])
    held = held_out(plan.hold_out, cases, ids, store, version=plan.version, seed=plan.seed)
    return cases.take(~held.rows), cases.take(tested & held.rows), held


def _forecast(plan: _Plan, data: _Data, progress: Progress | None) -> dict[str, tuple[Floats, Floats]]:
    """Model name -> probabilities and thresholds of the test rows, both shape (n, C + 1)."""
    out: dict[str, tuple[Floats, Floats]] = {}
    for moment, cutoffs in plan.trainings:
        if progress is not None:
            progress(f"training until {moment:%Y-%m-%d}", len(data.test.examples))
        rows = np.isin(data.test.examples.cutoff_us, cutoffs)
        if rows.any():
            for name, values, thresholds in _predictions(plan, data, _train(plan, data, moment), cutoffs):
                shape = (len(rows), values.shape[1])
                kept = out.setdefault(name, (np.full(shape, np.nan), np.full(shape, np.nan)))
                kept[0][rows], kept[1][rows] = values, thresholds
    return out


def _train(plan: _Plan, data: _Data, moment: pd.Timestamp) -> Trained:
    """Train on the cutoffs before a moment with the outcomes known then."""
    before = data.past.take(data.past.examples.cutoff_us < timestamp_us(moment))
    past = without(before, data.refused[moment])
    return train_model(
        plan.kind,
        past.features,
        past.examples,
        past.labels(data.outcome.known_at(moment), moment),
        plan.spec,
        horizons_us=plan.horizons,
        horizon_us=plan.horizon_us,
        until=moment,
        seed=plan.seed,
        settings=plan.settings,
    )


def _predictions(
    plan: _Plan, data: _Data, trained: Trained, cutoffs: list[int]
) -> Iterator[tuple[str, Floats, Floats]]:
    """Model, probabilities and thresholds of the test rows of the cutoffs."""
    test = data.test.take(np.isin(data.test.examples.cutoff_us, cutoffs))
    for name, values in trained.predict(test.features).items():
        plain = values, trained.thresholds[name]
        shifts = data.watched.shifts(trained.model, cutoffs) if name == OWN else {}
        yield name, *corrected(shifts, trained.model, test, plan.horizon_us, plain)
