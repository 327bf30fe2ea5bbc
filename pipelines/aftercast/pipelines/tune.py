"""Tune: search the settings of the boosters on one version of the store, and log what was tried."""

from __future__ import annotations

from typing import Any

import pandas as pd

from aftercast.data.workspace import Workspace
from aftercast.features.code_digest import sources_digest
from aftercast.models.aliases import Progress
from aftercast.models.examples.cases import training_end
from aftercast.models.fit.settings_file import described_settings
from aftercast.models.fit.tuning import FOLDS, TRIALS
from aftercast.models.judge.plots import trials_plot
from aftercast.models.kinds import kind_of
from aftercast.models.metadata import spec_hash
from aftercast.models.registry.runs import log_search
from aftercast.models.registry.versions import needing_registry
from aftercast.operations.clocks import format_duration
from aftercast.pipelines.runs import Done, run_key, run_once


def run_tune(
    workspace: Workspace,
    kind: str,
    *,
    until: pd.Timestamp | None = None,
    folds: int = FOLDS,
    trials: int = TRIALS,
    minutes: float | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Done:
    """Search settings; the same search of the same data and fleet spec is made once.

    Parameters
    ----------
    until
        UTC: nothing later is read. None is the end of the data.
    folds, trials, minutes, seed
        See :func:`aftercast.models.fit.tuning.search`.

    Raises
    ------
    NotEnoughDataError
        If the store is empty, or too short for the folds.
    """
    store = workspace.store
    version, end = training_end(kind, store, workspace.fleet, version=None, until=until)
    asked = {"folds": folds, "trials": trials, "minutes": minutes, "seed": seed}
    features = {"spec": spec_hash(workspace.fleet), "features": sources_digest()}
    key = run_key(kind=kind, until=end.isoformat(), data=version, **features, **asked)

    @needing_registry(workspace)
    def work() -> dict[str, Any]:
        found = kind_of(kind).tune(
            workspace,
            version=version,
            until=end,
            folds=folds,
            trials=trials,
            minutes=minutes,
            seed=seed,
            progress=progress,
        )
        content = found.to_dict() | {"settings": described_settings(found.settings)}
        plots = {"trials": trials_plot([(trial.losses, trial.pruned) for trial in found.trials])}
        run_id = log_search(workspace, kind, key, content, plots)
        about = {"kind": kind, "until": end.isoformat(), "data_version": version, "run_id": run_id}
        return {**about, "horizon": format_duration(found.horizon_us), **content}

    return run_once(workspace, "tune", key, work)
