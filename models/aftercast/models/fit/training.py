"""Training: a hazard model and its baselines, calibrated and judged on the later part of the training time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pandas as pd

from aftercast.data.fleet import FleetSpec
from aftercast.data.store import Store
from aftercast.features.examples import Examples
from aftercast.features.labels import Labels, load_outcome
from aftercast.models.aliases import Floats, Ints, Mask, Progress
from aftercast.models.baselines import BaselineData, Fitted
from aftercast.models.baselines import baselines as discovered_baselines
from aftercast.models.examples.cases import (
    build_cases,
    horizons_of,
    training_end,
    training_grid,
    usual_horizon,
)
from aftercast.models.examples.consent import without
from aftercast.models.examples.splits import calibration_start
from aftercast.models.fit.thresholds import best_f1_threshold, expected_f1_threshold
from aftercast.models.hazard import HazardModel, HazardSettings
from aftercast.models.hazard.drivers import importance
from aftercast.models.hazard.intervals import censor
from aftercast.models.hazard.probability_intervals import fit_band
from aftercast.models.hazard.risks import Risks
from aftercast.models.kinds import hazard_kind
from aftercast.models.metrics.evaluation import Truth, evaluate, failures_in
from aftercast.operations.clocks import timestamp_us
from aftercast.operations.errors import NotEnoughDataError

OWN: Final = "aftercast"
SAMPLE_ROWS: Final = 200
ENOUGH_TO_CHOOSE: Final = 5  # with fewer events whose time is up, thresholds come from the probabilities


@dataclass(frozen=True)
class Validation:
    """Forecasts on the later part of the training time, by models that were fitted on the part before it.

    Attributes
    ----------
    known
        Shape (n, C + 1): whether the horizon is over and its outcome known; last column any component. Before it is
        over a failure would be known and its absence not: such rows would mislead, and are left out.
    event
        Shape (n, C + 1).
    forecasts
        Model name -> probabilities, shape (n, C + 1).
    matured
        Shape (n,): whether the horizon is over.
    risks
        Of the own model.
    labels, left_us
        Of the n rows; the time from each cutoff to the end of training, shape (n,).
    learnt
        Distinct events that the models behind the forecasts learnt from.
    """

    names: tuple[str, ...]
    horizon_us: int
    known: Mask
    event: Mask
    forecasts: Mapping[str, Floats]
    matured: Mask
    risks: Risks
    labels: Labels
    left_us: Ints
    learnt: int

    @property
    def events(self) -> int:
        """Rows of which an event of any component is known."""
        return int((self.event & self.known)[:, -1].sum())

    def thresholds(self, name: str) -> Floats:
        """Thresholds of a model, shape (C + 1,)."""
        return choose_thresholds(self.known, self.event, self.forecasts[name])

    def of(self, name: str) -> tuple[Mask, dict[str, Floats]]:
        """Known outcomes of a component (or "all") and every model's probabilities for them."""
        i = self.names.index(name)
        rows = self.known[:, i]
        return self.event[rows, i], {model: values[rows, i] for model, values in self.forecasts.items()}


@dataclass(frozen=True)
class Trained:
    """A model with its baselines and what is known about them.

    Attributes
    ----------
    baselines
        Name -> fitted baseline, for ``horizon_us`` only.
    thresholds
        Model name -> thresholds at ``horizon_us``, shape (C + 1,).
    metrics
        Model name -> component or "all" -> metrics on the later part of the training time (see ``evaluate``).
    importance
        Share of gain by feature, largest first.
    sample
        Some feature rows.
    """

    kind: str
    model: HazardModel
    baselines: Mapping[str, Fitted]
    thresholds: Mapping[str, Floats]
    metrics: Mapping[str, Mapping[str, Mapping[str, Any]]]
    validation: Validation
    horizon_us: int
    until: pd.Timestamp
    calibration_from: pd.Timestamp
    seed: int
    rows: int
    failures: Mapping[str, int]
    importance: Mapping[str, float]
    sample: pd.DataFrame
    dictionary_hash: str = ""

    @property
    def better_than_base(self) -> bool:
        """Whether the log loss for "all" on the later part is not worse than the base rate's; True where undefined."""
        own, base = (self.metrics[name]["all"]["log_loss"] for name in (OWN, "base_rate"))
        return own is None or base is None or own <= base

    def flat_metrics(self, component: str = "all") -> dict[str, dict[str, float]]:
        """Model name -> metric -> number, undefined ones left out; budgets as ``recall_per_failure@1%``."""
        return {name: _flat(found[component]) for name, found in self.metrics.items()}

    def predict(self, features: pd.DataFrame) -> dict[str, Floats]:
        """Probabilities within ``horizon_us`` of every model, shape (n, C + 1), last any component."""
        own = {OWN: _columns(*self.model.predict(features).within(self.horizon_us))}
        return own | {name: with_any(fitted.predict(features)) for name, fitted in self.baselines.items()}


def train_model(
    kind: str,
    features: pd.DataFrame,
    examples: Examples,
    labels: Labels,
    spec: FleetSpec,
    *,
    horizons_us: Sequence[int],
    until: pd.Timestamp,
    seed: int = 0,
    horizon_us: int | None = None,
    settings: HazardSettings | None = None,
    baselines_on_all: bool = True,
) -> Trained:
    """Train on n aligned rows of features, examples and labels.

    The last ``spec.training.calibration_share`` of the time is kept from a first fit, whose labels are censored where
    it begins. It stops the growing, calibrates, chooses thresholds and gives the metrics. Then boosters and baselines
    are fitted again on everything with the rounds found; calibrators and thresholds stay.

    Parameters
    ----------
    until
        No label looks beyond it.
    horizon_us
        Horizon of baselines, thresholds and metrics: 7 days, or the longest below it, where not given.
    baselines_on_all
        Whether to fit the baselines again on everything; without it ``Trained.baselines`` is empty.

    Raises
    ------
    NotEnoughDataError
        If every component has fewer than ``spec.training.minimum_failures`` failures.
    """
    labels = censor(labels, examples.cutoff_us, timestamp_us(until))
    counts = failures_in(labels, examples)
    start = calibration_start(examples.cutoff_us, timestamp_us(until), spec.training.calibration_share)
    own = replace(settings or HazardSettings(), seed=seed)
    pooled = _pooled(labels.components, counts, spec, kind)
    fitting = _Fitting.of(examples, spec, horizons_us, own, pooled, horizon_us=horizon_us)
    draft, validation, truth = fitting.judged(features, examples, labels, start, timestamp_us(until))
    thresholds = {name: validation.thresholds(name) for name in validation.forecasts}
    matured = validation.matured
    final = fitting.fit(features, examples, labels, draft)
    fitted = dict(fitting.baselines(features, labels)) if baselines_on_all else {}
    return Trained(
        kind=kind,
        model=final,
        baselines=fitted,
        thresholds=thresholds,
        metrics={
            name: evaluate(truth, values[matured], thresholds[name]) for name, values in validation.forecasts.items()
        },
        validation=validation,
        horizon_us=fitting.horizon_us,
        until=until,
        calibration_from=pd.Timestamp(start, unit="us", tz="UTC"),
        seed=seed,
        rows=len(features),
        failures=dict(zip(labels.components, counts.tolist(), strict=True)),
        importance=importance(final),
        sample=features.head(SAMPLE_ROWS),
    )


def fit_model(
    features: pd.DataFrame,
    examples: Examples,
    labels: Labels,
    spec: FleetSpec,
    *,
    horizons_us: Sequence[int],
    until: pd.Timestamp,
    settings: HazardSettings,
) -> HazardModel:
    """Model that :func:`train_model` would train, without baselines, thresholds, bands and metrics."""
    labels = censor(labels, examples.cutoff_us, timestamp_us(until))
    start = calibration_start(examples.cutoff_us, timestamp_us(until), spec.training.calibration_share)
    pooled = _pooled(labels.components, failures_in(labels, examples), spec)
    fitting = _Fitting.of(examples, spec, horizons_us, settings, pooled)
    draft, _ = fitting.calibrated(features, examples, labels, start)
    return fitting.fit(features, examples, labels, draft)


@dataclass(frozen=True)
class _Fitting:
    """One way of fitting, used on the earlier part and on everything."""

    spec: FleetSpec
    horizons_us: Ints
    horizon_us: int
    pooled: tuple[str, ...]
    settings: HazardSettings

    @staticmethod
    def of(
        examples: Examples,
        spec: FleetSpec,
        horizons_us: Sequence[int],
        settings: HazardSettings,
        pooled: tuple[str, ...],
        *,
        horizon_us: int | None = None,
    ) -> _Fitting:
        ends = np.asarray(horizons_us, dtype=np.int64)
        own = replace(settings, every_us=_step(examples.cutoff_us))
        return _Fitting(spec, ends, horizon_us or usual_horizon(horizons_us), pooled, own)

    def calibrated(
        self, features: pd.DataFrame, examples: Examples, labels: Labels, start_us: int
    ) -> tuple[HazardModel, Risks]:
        """Model of the rows before start, stopped and calibrated on the rows from it on, and its risks of those."""
        early, late = examples.cutoff_us < start_us, examples.cutoff_us >= start_us
        rows, late_labels = _rows(features, late), labels.take(late)
        grown = HazardModel.fit(
            _rows(features, early),
            censor(labels.take(early), examples.cutoff_us[early], start_us),
            self.horizons_us,
            labels.components,
            self.settings,
            rare=self.pooled,
            validation=(rows, late_labels),
            owner=examples.owner[early],
        )
        return grown.calibrated_on(rows, late_labels)

    def judged(
        self, features: pd.DataFrame, examples: Examples, labels: Labels, start_us: int, until_us: int
    ) -> tuple[HazardModel, Validation, Truth]:
        """Model of the rows before start, calibrated on the rows from it on, and every model's forecasts of those."""
        calibrated, risks = self.calibrated(features, examples, labels, start_us)
        early, late = examples.cutoff_us < start_us, examples.cutoff_us >= start_us
        fit_rows, fit_labels = _rows(features, early), censor(labels.take(early), examples.cutoff_us[early], start_us)
        rows, late_labels = _rows(features, late), labels.take(late)
        left = until_us - examples.cutoff_us[late]
        matured = left >= self.horizon_us
        truth = Truth(
            examples.take(late).take(matured), late_labels.take(matured), self.horizon_us, _step(examples.cutoff_us)
        )
        forecasts = {OWN: _columns(*risks.within(self.horizon_us))}
        forecasts |= {name: with_any(each.predict(rows)) for name, each in self.baselines(fit_rows, fit_labels)}
        known, event = _outcomes(late_labels, self.horizon_us, matured)
        seen = (known, event, forecasts, matured)
        learnt = int(failures_in(fit_labels, examples.take(early)).sum())
        validation = Validation(truth.names, self.horizon_us, *seen, risks, late_labels, left, learnt)
        chosen = with_thresholds(calibrated, risks, late_labels, left)
        return with_bands(chosen, risks, late_labels, examples.cutoff_us[late], until_us), validation, truth

    def fit(self, features: pd.DataFrame, examples: Examples, labels: Labels, draft: HazardModel) -> HazardModel:
        """Model of all rows, with the rounds, calibrators and thresholds of the draft."""
        final = HazardModel.fit(
            features,
            labels,
            self.horizons_us,
            labels.components,
            self.settings,
            rare=self.pooled,
            rounds=draft.rounds,
            owner=examples.owner,
        )
        return final.with_calibrators_of(draft)

    def baselines(self, features: pd.DataFrame, labels: Labels) -> Iterator[tuple[str, Fitted]]:
        """Every baseline fitted on rows, with its name."""
        data = BaselineData(features, labels, self.horizon_us, self.spec, self.settings.seed)
        for baseline in discovered_baselines():
            yield baseline.name, baseline.fit(data)


def train_from_store(
    kind: str,
    store: Store,
    spec: FleetSpec,
    *,
    version: int | None = None,
    until: pd.Timestamp | None = None,
    seed: int = 0,
    settings: HazardSettings | None = None,
    progress: Progress | None = None,
) -> Trained:
    """Train on everything a version of the store knew at ``until`` (the end of observation where None).

    Customers who refused to be learnt from are left out (``consent``).

    Raises
    ------
    NotEnoughDataError
        If the store holds no events, no cutoffs before ``until``, or too few failures.
    """
    version, end = training_end(kind, store, spec, version=version, until=until)
    cutoffs = training_grid(kind, store, spec, version, end)
    everyone = build_cases(kind, store, spec, cutoffs, version=version, known_at=end, progress=progress)
    cases = without(everyone, hazard_kind(kind).refusals(store, version=version, known_at=end))
    labels = cases.labels(load_outcome(store, spec, version=version, known_at=end), end)
    if progress is not None:
        progress("training", len(cases.examples))
    horizons = horizons_of(kind, spec)
    trained = train_model(
        kind,
        cases.features,
        cases.examples,
        labels,
        spec,
        horizons_us=horizons,
        until=end,
        seed=seed,
        settings=settings,
        baselines_on_all=False,
    )
    return replace(trained, dictionary_hash=cases.dictionary_hash)


def with_any(probability: Floats) -> Floats:
    """Probabilities with a last column: any component, taken as independent, shape (n, C + 1)."""
    return _columns(probability, 1.0 - np.prod(1.0 - probability, axis=1))


def with_thresholds(model: HazardModel, risks: Risks, labels: Labels, left_us: Ints) -> HazardModel:
    """Model with the thresholds of the best F1 at each horizon on later rows, ``left_us`` before the training ends."""
    rows = []
    for h, horizon in enumerate(risks.horizons_us):
        known, event = _outcomes(labels, int(horizon), left_us >= horizon)
        rows.append(choose_thresholds(known, event, _columns(risks.probability[:, h], risks.any_probability[:, h])))
    return replace(model, thresholds=np.array(rows))


def with_bands(model: HazardModel, risks: Risks, labels: Labels, cutoff_us: Ints, until_us: int) -> HazardModel:
    """Model with the bands of later rows whose horizon is over at ``until_us``.

    Of rows whose horizons overlap only every horizon's last is kept, so that an event is told of once.
    """
    found = []
    for k, horizon in enumerate(risks.horizons_us.tolist()):
        over = until_us - cutoff_us >= horizon
        known, event = (each[:, -1] for each in _outcomes(labels, horizon, over))
        rows = known & np.isin(cutoff_us, apart(cutoff_us[over], horizon))
        found.append(fit_band(risks.any_probability[rows, k], event[rows]))
    return replace(model, bands=tuple(found))


def apart(cutoff_us: Ints, horizon_us: int) -> Ints:
    """Cutoffs at least a horizon from one another, from the last one back; shape (k,), descending.

    >>> apart(np.array([1, 2, 3, 5, 6]), 3).tolist()
    [6, 3]
    """
    kept: list[int] = []
    for cutoff in np.unique(cutoff_us)[::-1].tolist():
        if not kept or kept[-1] - cutoff >= horizon_us:
            kept.append(cutoff)
    return np.array(kept, dtype=np.int64)


def choose_thresholds(known: Mask, event: Mask, values: Floats) -> Floats:
    """Threshold of each column of n later rows: the best F1 seen, or to be expected where few events are known."""
    found = []
    for i in range(values.shape[1]):
        rows = known[:, i]
        enough = event[rows, i].sum() >= ENOUGH_TO_CHOOSE
        seen = best_f1_threshold(event[rows, i], values[rows, i]) if enough else expected_f1_threshold(values[:, i])
        found.append(seen)
    return np.array(found)


def _pooled(components: tuple[str, ...], counts: Ints, spec: FleetSpec, kind: str = "") -> tuple[str, ...]:
    """Components with too few events for boosters of their own; raises NotEnoughDataError where all have."""
    least = spec.training.minimum_failures
    if len(components) == 0:
        raise NotEnoughDataError("The fleet spec names no components.", "List what can fail under [[components]].")
    if (counts < least).all():
        hint = "Import more history, or lower minimum_failures under [training] in fleet.toml."
        if kind and not hazard_kind(kind).words.by_component:
            noun = hazard_kind(kind).entity.noun
            raise NotEnoughDataError(
                f"Too few {noun}s left to learn from: {int(counts.sum())}; at least {least} are needed.", hint
            )
        found = ", ".join(f"{name} {count}" for name, count in zip(components, counts, strict=True))
        raise NotEnoughDataError(
            f"Too few failures to learn from: {found}; {least} of one component are the least.", hint
        )
    return tuple(name for name, count in zip(components, counts, strict=True) if count < least)


def _outcomes(labels: Labels, horizon_us: int, matured: Mask) -> tuple[Mask, Mask]:
    """Known and event within the horizon by component and for any, both shape (n, C + 1); only of matured rows."""
    event = labels.event_within(0, horizon_us)
    known = labels.known_within(horizon_us) & (labels.valid & matured)[:, None]
    any_event = (event & known).any(axis=1)
    any_known = any_event | known.all(axis=1)
    return np.column_stack([known, any_known]), np.column_stack([event & known, any_event])


def _columns(probability: Floats, any_probability: Floats) -> Floats:
    return np.column_stack([probability, any_probability])


def _rows(features: pd.DataFrame, mask: Mask) -> pd.DataFrame:
    return features[mask].reset_index(drop=True)


def _step(cutoff_us: Ints) -> int:
    return int(np.median(np.diff(np.unique(cutoff_us))))


def _flat(found: Mapping[str, Any]) -> dict[str, float]:
    flat = {name: value for name, value in found.items() if name != "budgets"}
    for budget, values in found["budgets"].items():
        flat |= {f"{name}@{budget}": value for name, value in values.items()}
    return {name: float(value) for name, value in flat.items() if value is not None and math.isfinite(value)}
