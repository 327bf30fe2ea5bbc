"""Search of settings: which boosters forecast best on rolling folds inside the training time, and whether it matters.

The last fold takes no part in the search. It alone says whether what was found beats the defaults: the best of many
trials always looks better on the folds it was chosen by.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np
import optuna
import pandas as pd

from aftercast.data.fleet import FleetSpec
from aftercast.data.store import Store
from aftercast.models.aliases import Progress
from aftercast.models.fit.shift_windows import moment_of
from aftercast.models.fit.tuning_folds import Candidates, Fold, Verdict, candidates_of
from aftercast.models.hazard import HazardSettings
from aftercast.operations.errors import SettingsError

Values = dict[str, Any]
TUNED: Final = ("learning_rate", "num_leaves", "feature_fraction", "leaf", "members", "lambda_l2")
FOLDS: Final = 4
TRIALS: Final = 30
LEAST_TRIALS_TO_PRUNE: Final = 5


@dataclass(frozen=True)
class Trial:
    """Settings that were tried.

    Attributes
    ----------
    losses
        Log loss of each fold it went through; fewer than there are where it was given up.
    """

    number: int
    values: Values
    losses: tuple[float, ...]
    pruned: bool


@dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes
    ----------
    settings
        What to train with: the best where the verdict is for it, else the defaults.
    """

    kind: str
    horizon_us: int
    folds: tuple[Fold, ...]
    trials: tuple[Trial, ...]
    best: Trial
    verdict: Verdict
    settings: HazardSettings

    def to_dict(self) -> dict[str, Any]:
        """Values for JSON."""
        return {
            "trials": [asdict(trial) for trial in self.trials],
            "best": asdict(self.best),
            "verdict": {**asdict(self.verdict), "better": self.verdict.better, "sentence": self.verdict.sentence},
            "settings": tuned(self.settings),
            "folds": [
                {
                    "train_until": moment_of(fold.until).isoformat(),
                    "test_from": moment_of(int(fold.tests[0])).isoformat(),
                    "test_until": moment_of(int(fold.tests[-1])).isoformat(),
                    "held": i == len(self.folds) - 1,
                }
                for i, fold in enumerate(self.folds)
            ],
        }


def tuned(settings: HazardSettings) -> Values:
    """Values of the settings that a search chooses."""
    return {name: getattr(settings, name) for name in TUNED}


def settings_of(values: Mapping[str, Any], seed: int = 0) -> HazardSettings:
    """Settings with these values; more rounds where the learning rate is lower, so that it does not stop short."""
    usual = HazardSettings(seed=seed)
    rate = usual.learning_rate / values.get("learning_rate", usual.learning_rate)
    rounds, fallback = (max(round(count * rate), 1) for count in (usual.rounds, usual.fallback_rounds))
    return replace(usual, **values, rounds=rounds, fallback_rounds=fallback)


def search(
    kind: str,
    store: Store,
    spec: FleetSpec,
    *,
    version: int | None = None,
    until: pd.Timestamp | None = None,
    folds: int = FOLDS,
    trials: int = TRIALS,
    minutes: float | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Found:
    """Search the settings of the boosters on what was known at ``until`` (the end of observation where None).

    Trials are proposed by a tree-structured Parzen estimator (Bergstra et al. 2011), the defaults first, and given up
    after a fold when their mean loss is above the median of the earlier trials there. One process, one seed: the same
    search gives the same trials.

    Parameters
    ----------
    folds
        Trainings, evenly over the second half of the time; the last is kept for the verdict.
    trials
        How many settings, the defaults among them.
    minutes
        No trial begins later than that; the number of trials then depends on the machine.

    Raises
    ------
    NotEnoughDataError
        If a fold has no cutoff whose horizon is over, or too few failures to train.
    SettingsError
        If there are fewer than two folds or trials.
    """
    if folds < 2 or trials < 2:
        raise SettingsError(f"{folds} folds and {trials} trials were asked for.", "Two of each are the least.")
    candidates = candidates_of(kind, store, spec, version=version, until=until, folds=folds, progress=progress)
    optuna.logging.set_verbosity(logging.WARNING)  # its own lines would disturb the progress shown
    study = optuna.create_study(
        sampler=optuna.samplers.TPESampler(seed=seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=LEAST_TRIALS_TO_PRUNE),
    )
    study.enqueue_trial(tuned(HazardSettings()))
    tried: list[Trial] = []
    began = time.monotonic()
    while len(tried) < trials and (minutes is None or len(tried) < 2 or time.monotonic() - began < 60 * minutes):
        tried.append(_tried(study, candidates, seed))
        if progress is not None:
            progress(f"best log loss {_mean(_best(tried)):.5f}, trials of {trials}:", len(tried))
    best = _best(tried)
    verdict = candidates.verdict(settings_of(best.values, seed), HazardSettings(seed=seed))
    chosen = settings_of(best.values, seed) if verdict.better else HazardSettings(seed=seed)
    return Found(kind, candidates.horizon_us, candidates.folds, tuple(tried), best, verdict, chosen)


def _tried(study: optuna.Study, candidates: Candidates, seed: int) -> Trial:
    trial = study.ask()
    values = _proposed(trial)
    losses: list[float] = []
    for step, fold in enumerate(candidates.folds[:-1]):
        losses.append(candidates.loss(fold, settings_of(values, seed)).mean)
        trial.report(float(np.mean(losses)), step)
        if step < len(candidates.folds) - 2 and trial.should_prune():
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            return Trial(trial.number, values, tuple(losses), pruned=True)
    study.tell(trial, float(np.mean(losses)))
    return Trial(trial.number, values, tuple(losses), pruned=False)


def _proposed(trial: optuna.Trial) -> Values:
    return {
        "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.15, log=True),
        "num_leaves": trial.suggest_int("num_leaves", 3, 31, log=True),
        "feature_fraction": trial.suggest_float("feature_fraction", 0.3, 1.0),
        "leaf": trial.suggest_int("leaf", 5, 80, log=True),
        "members": trial.suggest_categorical("members", [1, 2, 4]),
        "lambda_l2": trial.suggest_float("lambda_l2", 0.1, 30.0, log=True),
    }


def _best(trials: Sequence[Trial]) -> Trial:
    """Lowest mean loss of the trials that went through every fold; the first of equals."""
    return min((trial for trial in trials if not trial.pruned), key=_mean)


def _mean(trial: Trial) -> float:
    return float(np.mean(trial.losses))
