"""The Prefect flows, thin: each opens the workspace and calls one plain function.

They are imported only where an engine runs them; see :mod:`aftercast.pipelines.engine`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from prefect import flow

from aftercast.data.workspace import open_workspace
from aftercast.pipelines.drain import run_drain
from aftercast.pipelines.ingest import run_ingest
from aftercast.pipelines.kind_settings import given_settings
from aftercast.pipelines.score import run_score
from aftercast.pipelines.train import run_train
from aftercast.pipelines.tune import run_tune


@flow(name="aftercast-ingest", retries=0)
def ingest_flow(workspace: str, source: str, path: str) -> dict[str, Any]:
    """Import a source into a workspace; answers with the report and whether it had been imported before."""
    done = run_ingest(open_workspace(Path(workspace)), source, Path(path))
    return {**done.result, "repeated": done.repeated}


@flow(name="aftercast-drain", retries=0)
def drain_flow(workspace: str) -> dict[str, Any]:
    """Store what waits in the inbox."""
    return run_drain(open_workspace(Path(workspace)))


@flow(name="aftercast-train", retries=0)
def train_flow(
    workspace: str,
    kind: str,
    *,
    until: str | None = None,
    seed: int = 0,
    settings: str | None = None,
    pairs: Sequence[str] = (),
    again: bool = False,
) -> dict[str, Any]:
    """Train, log and register a model.

    Parameters
    ----------
    until
        ISO 8601 in UTC, None for all data.
    settings, pairs
        File of settings, and texts ``name=value`` that go before it.
    """
    place, moment = open_workspace(Path(workspace)), None if until is None else pd.Timestamp(until)
    chosen = given_settings(place, kind, None if settings is None else Path(settings), pairs)
    done = run_train(place, kind, until=moment, seed=seed, settings=chosen, again=again)
    return {**done.result, "repeated": done.repeated}


@flow(name="aftercast-score", retries=0)
def score_flow(workspace: str, cutoff: str | None = None, again: bool = False) -> dict[str, Any]:
    """Score a cutoff (ISO 8601 in UTC), or every cutoff missed since the last one."""
    moment = None if cutoff is None else pd.Timestamp(cutoff)
    return run_score(open_workspace(Path(workspace)), cutoff=moment, again=again)


@flow(name="aftercast-tune", retries=0)
def tune_flow(workspace: str, kind: str, until: str | None = None, **asked: Any) -> dict[str, Any]:
    """Search settings; ``asked`` holds folds, trials, minutes and seed."""
    moment = None if until is None else pd.Timestamp(until)
    done = run_tune(open_workspace(Path(workspace)), kind, until=moment, **asked)
    return {**done.result, "repeated": done.repeated}
