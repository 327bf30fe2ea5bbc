"""The second day ahead: failures from 24 h to 48 h after the cutoff, before which nothing has broken yet."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from benchmarks.failures.tables import cell, show

from aftercast.data.workspace import Workspace
from aftercast.features.labels import Labels, Outcome, load_outcome
from aftercast.models.examples.cases import Cases, build_cases, cadence_us, first_moment
from aftercast.models.examples.splits import training_cutoffs
from aftercast.models.fit.thresholds import best_f1_threshold
from aftercast.models.fit.training import Trained, train_model
from aftercast.models.hazard.risks import Risks
from aftercast.models.metrics.table import row_metrics
from aftercast.operations.clocks import DAY_US, cutoff_grid, parse_time, timestamp_us

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
FIRST, SECOND = DAY_US, 2 * DAY_US


def second_day(workspace: Workspace, train_until: str, test_from: str, test_until: str) -> dict[str, Any]:
    """Print precision and recall of each component on the second day ahead; return them.

    A row counts where the component survives the first day and the second was watched. The threshold is the best F1 of
    the later part of the training time.
    """
    until = parse_time(train_until)
    cases, outcome, observed = _cases(workspace, until, test_from, test_until)
    trained = _train(workspace, cases, outcome, until)
    test = cases.take(cases.examples.cutoff_us >= timestamp_us(parse_time(test_from)))
    risks, labels = trained.model.predict(test.features), test.labels(outcome, observed)
    rest = observed.value // 1000 - test.examples.cutoff_us
    found = {
        name: _judged(trained, c, (_hazard(risks, c), *_second(labels, c, rest)))
        for c, name in enumerate(labels.components)
    }
    names = ("failures", "precision", "recall", "pr_auc", "ece")
    rows = [
        [name, str(each["failures"]), *(cell(each[metric]) for metric in names[1:])] for name, each in found.items()
    ]
    title = "azure-pdm, 24 h to 48 h ahead"
    show(title, ["component", "failures", "precision", "recall", "PR-AUC", "ECE"], rows)
    return found


def _cases(
    workspace: Workspace, until: pd.Timestamp, test_from: str, test_until: str
) -> tuple[Cases, Outcome, pd.Timestamp]:
    store, spec = workspace.store, workspace.fleet
    version, observed = store.version(), store.observed_until()
    assert observed is not None
    first = first_moment("failure", store, version, until)
    last = min(parse_time(test_until), observed - pd.Timedelta(SECOND, unit="us"))
    tests = cutoff_grid(parse_time(test_from), last, DAY_US)
    grid = np.union1d(training_cutoffs(first, timestamp_us(until), cadence_us("failure", spec)), tests)
    cases = build_cases("failure", store, spec, grid, version=version)
    return cases, load_outcome(store, spec, version=version), observed


def _train(workspace: Workspace, cases: Cases, outcome: Outcome, until: pd.Timestamp) -> Trained:
    past = cases.take(cases.examples.cutoff_us < timestamp_us(until))
    known = outcome.known_at(until)
    return train_model(
        "failure",
        past.features,
        past.examples,
        past.labels(known, until),
        workspace.fleet,
        horizons_us=[FIRST, SECOND],
        until=until,
        baselines_on_all=False,
    )


def _hazard(risks: Risks, component: int) -> Floats:
    """P(fails on the second day | survived the first), shape (n,)."""
    first, second = risks.within(FIRST)[0][:, component], risks.within(SECOND)[0][:, component]
    return np.asarray((second - first) / (1.0 - first))


def _second(labels: Labels, component: int, left_us: npt.NDArray[np.int64]) -> tuple[Mask, Mask]:
    """Which rows tell of the second day, and where it brought a failure, both shape (n,)."""
    time = labels.time_to_event_us[:, component]
    survived = labels.valid & (time > FIRST) & (left_us >= SECOND)
    return survived & labels.known_within(SECOND)[:, component], (time > FIRST) & (time <= SECOND)


def _judged(trained: Trained, component: int, seen: tuple[Floats, Mask, Mask]) -> dict[str, Any]:
    later = trained.validation
    hazard = _hazard(later.risks, component)
    known, event = _second(later.labels, component, later.left_us)
    threshold = best_f1_threshold(event[known], hazard[known])
    probability, known, event = seen
    found = row_metrics(event[known], probability[known])
    flagged = probability[known] >= threshold
    found |= {"precision": _mean(event[known][flagged]), "recall": _mean(flagged[event[known]])}
    return {"failures": int(event[known].sum()), "threshold": threshold, **found}


def _mean(values: Mask) -> float | None:
    return float(values.mean()) if len(values) > 0 else None
