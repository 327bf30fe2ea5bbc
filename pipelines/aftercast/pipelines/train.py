"""Train: learn from one version of the store, log the run, register the model, promote it when it deserves to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from aftercast.data.workspace import Workspace
from aftercast.features.code_digest import sources_digest
from aftercast.features.replay import LeakageReport
from aftercast.models.examples.feature_list import described
from aftercast.models.fit.settings_file import described_settings
from aftercast.models.fit.training import OWN, Trained, train_from_store
from aftercast.models.hazard import HazardSettings
from aftercast.models.judge.plots import training_plots
from aftercast.models.leakage.gate import lint_store, too_good
from aftercast.models.registry.metadata import Metadata, library_versions, spec_hash
from aftercast.models.registry.runs import TrainingRecord, log_training
from aftercast.models.registry.versions import (
    Loaded,
    Version,
    decide,
    load_champion,
    needing_registry,
    promote,
    register,
)
from aftercast.operations.clocks import format_duration
from aftercast.operations.database.forecasts import Kind
from aftercast.operations.errors import ModelMismatchError, NotEnoughDataError, NotFoundError
from aftercast.pipelines.runs import Done, run_key, run_once

Progress = Callable[[str, int], None]


def run_train(
    workspace: Workspace,
    kind: Kind,
    *,
    until: pd.Timestamp | None = None,
    seed: int = 0,
    settings: HazardSettings | None = None,
    progress: Progress | None = None,
) -> Done:
    """Train a model; the same kind, end, data, fleet spec, features, seed and settings are trained once.

    One trained until an earlier time than the champion is kept and does not replace it.

    Parameters
    ----------
    until
        UTC: nothing later is read, neither facts nor labels. None is the end of the data.
    settings
        Of the boosters; None for the defaults.

    Raises
    ------
    NotEnoughDataError
        If the store is empty, holds too few failures, or ends before the horizons do.
    LookAheadError
        If a feature leaks: the model is logged and registered, but not promoted.
    WorkspaceError
        If the registry of models does not answer; it is asked before the training.
    """
    store = workspace.store
    version, observed = store.version(), store.observed_until()
    if observed is None:
        raise NotEnoughDataError("The workspace holds no data to learn from.", "Run `aftercast import SOURCE PATH`.")
    end = observed if until is None else min(until, observed)
    chosen = {} if settings is None else {"settings": described_settings(settings)}
    asked = {"kind": kind, "until": end.isoformat(), "data": version, "spec": spec_hash(workspace.fleet), "seed": seed}
    key = run_key(features=sources_digest(), **asked, **chosen)

    @needing_registry(workspace)
    def work() -> dict[str, Any]:
        trained = train_from_store(
            kind, store, workspace.fleet, version=version, until=end, seed=seed, settings=settings, progress=progress
        )
        leakage = lint_store(kind, store, workspace.fleet, version=version, until=end, progress=progress)
        leakage = leakage.with_report(too_good(trained))
        return _keep(workspace, trained, _metadata(workspace, trained, key, version), leakage)

    return run_once(workspace, "train", key, work)


def _metadata(workspace: Workspace, trained: Trained, key: str, version: int) -> Metadata:
    return Metadata(
        kind=trained.kind,
        key=key,
        until=trained.until.isoformat(),
        data_version=version,
        seed=trained.seed,
        horizons=tuple(format_duration(int(end)) for end in trained.model.horizons_us),
        components=trained.model.components,
        spec_hash=spec_hash(workspace.fleet),
        dictionary_hash=trained.dictionary_hash,
        libraries=library_versions(),
    )


def _keep(workspace: Workspace, trained: Trained, metadata: Metadata, leakage: LeakageReport) -> dict[str, Any]:
    """Log, then register, then promote: the order makes it safe to be killed between any two."""
    record = TrainingRecord(
        metadata=metadata,
        model=trained.model,
        dictionary=described(
            workspace.store, workspace.fleet, trained.kind, version=metadata.data_version, known_at=trained.until
        ),
        metrics=_every_metric(trained),
        figures=training_plots(trained),
        sample=trained.sample,
        params={
            "rows": trained.rows,
            "calibration_from": trained.calibration_from.isoformat(),
            "validation_horizon": format_duration(trained.horizon_us),
            **{f"failures.{name}": count for name, count in trained.failures.items()},
            **{f"settings.{name}": value for name, value in described_settings(trained.model.settings).items()},
        },
        leakage=leakage,
    )
    run_id = log_training(workspace, record)
    found = register(workspace, trained.kind, run_id, metadata.key)
    newer = _champion_of_later(workspace, trained)
    if newer is None:
        decided = promote(workspace, found, better_than_base=trained.better_than_base)
    else:
        why = f"Not champion: version {newer.version} was trained until later, {newer.metadata.until[:16]}."
        decided = decide(workspace, found, champion=False, decision=f"{why} To use it all the same: aftercast promote.")
    return {**_result(trained, metadata, decided), "leakage": leakage.verdict}


def _champion_of_later(workspace: Workspace, trained: Trained) -> Loaded | None:
    """Champion that was trained until a later time; None where there is none, or it cannot be used any more."""
    try:
        champion = load_champion(workspace, trained.kind)
    except (NotFoundError, ModelMismatchError):
        return None
    return champion if pd.Timestamp(champion.metadata.until) > trained.until else None


def _every_metric(trained: Trained) -> dict[str, dict[str, float]]:
    """Model or baseline -> metric for any component, and ``<component>.<metric>`` for each of several."""
    found = {_who(name): dict(values) for name, values in trained.flat_metrics().items()}
    if len(trained.model.components) > 1:
        for component in trained.model.components:
            for name, values in trained.flat_metrics(component).items():
                found[_who(name)] |= {f"{component}.{metric}": value for metric, value in values.items()}
    return found


def _result(trained: Trained, metadata: Metadata, version: Version) -> dict[str, Any]:
    return {
        "kind": trained.kind,
        "key": metadata.key,
        "until": metadata.until,
        "data_version": metadata.data_version,
        "examples": trained.rows,
        "failures": dict(trained.failures),
        "validation_from": trained.calibration_from.isoformat(),
        "validation_horizon": format_duration(trained.horizon_us),
        "run_id": version.run_id,
        "version": version.version,
        "champion": version.champion,
        "decision": version.decision,
        "metrics": {_who(name): values for name, values in trained.flat_metrics().items()},
    }


def _who(name: str) -> str:
    return "model" if name == OWN else name
