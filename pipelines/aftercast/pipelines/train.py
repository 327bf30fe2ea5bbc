"""Train: learn from one version of the store, log the run, register the model, promote it when it deserves to."""

from __future__ import annotations

from typing import Any

import pandas as pd

from aftercast.data.workspace import Workspace
from aftercast.features.code_digest import sources_digest
from aftercast.models.aliases import Progress
from aftercast.models.examples.cases import training_end
from aftercast.models.kind import Training, TrainingRequest
from aftercast.models.kinds import kind_of
from aftercast.models.metadata import Metadata, library_versions, spec_hash
from aftercast.models.registry.runs import log_training
from aftercast.models.registry.versions import needing_registry, promote, register
from aftercast.pipelines.runs import Done, run_key, run_once


def run_train(
    workspace: Workspace,
    kind: str,
    *,
    until: pd.Timestamp | None = None,
    seed: int = 0,
    settings: Any = None,
    again: bool = False,
    progress: Progress | None = None,
) -> Done:
    """Train a model; the same kind, end, data, fleet spec, features, seed and settings are trained once.

    One trained until an earlier time than the champion is kept and does not replace it.

    Parameters
    ----------
    until
        UTC: nothing later is read, neither facts nor labels. None is the end of the data.
    settings
        As :meth:`Kind.settings` makes them; None for the defaults.
    again
        Whether to train even if the same was trained before, because the registry lost it.

    Raises
    ------
    NotEnoughDataError
        If the store is empty, holds too few failures, or ends before the horizons do.
    LookAheadError
        If a feature leaks: the model is logged and registered, but not promoted.
    WorkspaceError
        If the registry of models does not answer; it is asked before the training.
    """
    store, spec, chosen_kind = workspace.store, workspace.fleet, kind_of(kind)
    version, end = training_end(kind, store, spec, version=None, until=until)
    chosen = chosen_kind.settings({}, spec) if settings is None else settings
    described = chosen_kind.described_settings(chosen)
    asked = {"kind": kind, "until": end.isoformat(), "data": version, "spec": spec_hash(spec), "seed": seed}
    key = run_key(features=sources_digest(), settings=described, **asked)

    @needing_registry(workspace)
    def work() -> dict[str, Any]:
        training = chosen_kind.train(TrainingRequest(store, spec, version, end, progress, seed=seed, settings=chosen))
        metadata = Metadata(
            kind=kind,
            key=key,
            until=end.isoformat(),
            data_version=version,
            seed=seed,
            spec_hash=spec_hash(spec),
            libraries=library_versions(),
            dictionary_hash=training.dictionary_hash,
            horizons=training.horizons,
            components=training.components,
            facts=dict(training.facts),
        )
        return _keep(workspace, training, metadata)

    return run_once(workspace, "train", key, work, again=again)


def _keep(workspace: Workspace, training: Training, metadata: Metadata) -> dict[str, Any]:
    """Log, then register, then promote: the order makes it safe to be killed between any two."""
    run_id = log_training(workspace, training, metadata)
    found = register(workspace, metadata.kind, run_id, metadata.key, metadata.until)
    version = promote(workspace, found, training.gate)
    return {
        "kind": metadata.kind,
        "key": metadata.key,
        "until": metadata.until,
        "data_version": metadata.data_version,
        "run_id": version.run_id,
        "version": version.version,
        "champion": version.champion,
        "decision": version.decision,
        **training.result,
    }
