"""Score: judge the whole fleet at a cutoff with the champions, once; catch up the cutoffs that were missed."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from aftercast.data.workspace import Workspace
from aftercast.models.aliases import Progress
from aftercast.models.examples.cases import known_until
from aftercast.models.kinds import kind_names, kind_of
from aftercast.models.metadata import spec_hash
from aftercast.models.registry.health import champion_needed
from aftercast.models.registry.versions import Loaded, champion_version, load_champion, needing_registry, newest_version
from aftercast.models.scoring.forecast_store import make_forecasts, store_forecasts
from aftercast.operations.clocks import cutoff_grid, format_duration, from_us, parse_duration_us, timestamp_us
from aftercast.operations.database.forecasts import newest_set
from aftercast.operations.errors import AftercastError, InputError, NotFoundError
from aftercast.pipelines.online import keep_online
from aftercast.pipelines.runs import run_key, run_once

MOST_MISSED: Final = 31


def run_score(
    workspace: Workspace,
    *,
    cutoff: pd.Timestamp | None = None,
    again: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Score with every champion there is.

    Parameters
    ----------
    cutoff
        UTC, at or before the end of the data. None scores every cutoff of the grid ``training.cutoff_every`` that was
        missed since the last one scored, up to the end of the data, at most :data:`MOST_MISSED` of them; what was
        scored before is not scored again.
    again
        Whether to score even what was scored before, because the rows of the service were lost.

    Returns
    -------
    dict
        ``runs`` (kind, cutoff, scored, model_version, data_version, notice, repeated), ``notices`` for people,
        and ``failed``: kinds that could not be scored while others were (kind, message, hint).

    Raises
    ------
    NotFoundError
        If there is no champion of any kind.
    NotEnoughDataError
        If the store is empty.
    InputError
        If the cutoff is later than the data.
    WorkspaceError
        If the registry of models does not answer.
    """
    _, until = known_until(workspace.store, None, None)
    _check(cutoff, until)
    with needing_registry(workspace):
        return _score(workspace, until, cutoff, progress, again=again)


def _score(
    workspace: Workspace,
    until: pd.Timestamp,
    cutoff: pd.Timestamp | None,
    progress: Progress | None,
    *,
    again: bool,
) -> dict[str, Any]:
    kinds = [kind for kind in kind_names() if champion_version(workspace, kind) is not None]
    if not kinds:
        raise _no_champion(workspace)
    runs: list[dict[str, Any]] = []
    notices: list[str] = []
    failed: dict[str, AftercastError] = {}
    for kind in kinds:
        cutoffs, told = missed(workspace, kind, until) if cutoff is None else ([cutoff], [])
        notices += told
        try:
            with champion_needed(kind):
                loaded = load_champion(workspace, kind)
            for moment in cutoffs if cutoff is not None else _after_learning(loaded, cutoffs):
                if progress is not None:
                    progress(f"{kind} at {moment:%Y-%m-%d %H:%M},", len(runs) + 1)
                runs.append(_score_once(workspace, loaded, moment, progress, again=again))
        except AftercastError as error:  # the other kinds are scored all the same
            failed[kind] = error
    if failed and not runs:
        raise next(iter(failed.values()))
    told_of = [{"kind": kind, "message": error.message, "hint": error.hint} for kind, error in failed.items()]
    return {"runs": runs, "notices": notices, "failed": told_of}


def _after_learning(loaded: Loaded, due: list[pd.Timestamp]) -> list[pd.Timestamp]:
    """Cutoffs that a model may judge: in place of those before the end of what it learnt from, that end."""
    until = kind_of(loaded.kind).learnt_until(loaded)
    return due if until is None else sorted({max(moment, until) for moment in due})


def _no_champion(workspace: Workspace) -> NotFoundError:
    newest = [found for kind in kind_names() if (found := newest_version(workspace, kind)) is not None]
    if not newest:
        return NotFoundError(
            "There is no model to score with.", "Run `aftercast train failure`, with --again if it was trained before."
        )
    told = " ".join(f"Version {found.version} of aftercast-{found.kind}: {found.decision}" for found in newest)
    return NotFoundError(
        f"There is no champion to score with. {told}",
        f"Import more history and run `aftercast train {newest[0].kind}`; what a worse model says would mislead.",
    )


def missed(workspace: Workspace, kind: str, until: pd.Timestamp) -> tuple[list[pd.Timestamp], list[str]]:
    """Cutoffs to score, ascending, and what to tell people about it; never empty.

    The grid counts from 1970-01-01 00:00 UTC, so that daily cutoffs are at midnight. Where nothing was scored yet, only
    the latest cutoff is due; where nothing was missed, the latest one is due again, for newer data or a newer model.
    """
    every = parse_duration_us(workspace.fleet.training.cutoff_every)
    newest = timestamp_us(until) // every * every
    latest = from_us(_one(newest))[0]
    last = newest_set(workspace.database, kind)
    if last is None or timestamp_us(last.cutoff) + every >= newest:
        return [latest], []
    first = timestamp_us(last.cutoff) // every * every + every
    due = list(from_us(cutoff_grid(from_us(_one(first))[0], latest, every)))
    told = f"{len(due)} {kind} cutoffs were missed since {last.cutoff:%Y-%m-%d %H:%M}"
    if len(due) <= MOST_MISSED:
        return due, [f"{told}: they are scored now."]
    return due[-MOST_MISSED:], [
        f"{told}: the last {MOST_MISSED} are scored now, the {len(due) - MOST_MISSED} before them are left out. "
        f"Score one of those with --cutoff (every {format_duration(every)})."
    ]


def _score_once(
    workspace: Workspace, loaded: Loaded, cutoff: pd.Timestamp, progress: Progress | None, *, again: bool
) -> dict[str, Any]:
    version = workspace.store.version()
    asked = {"kind": loaded.kind, "cutoff": cutoff.isoformat(), "model": loaded.version, "data": version}
    key = run_key(**asked, spec=spec_hash(workspace.fleet))

    def work() -> dict[str, Any]:
        scoring = make_forecasts(workspace, loaded, cutoff, version=version, progress=progress)
        found, _ = store_forecasts(workspace.database, scoring.forecasts, spec_hash(workspace.fleet))
        if scoring.snapshot is not None:
            keep_online(workspace, scoring.snapshot)
        return {
            "kind": loaded.kind,
            "cutoff": cutoff.isoformat(),
            "scored": len(scoring.forecasts),
            "model_version": loaded.version,
            "data_version": version,
            "set_id": found.set_id,
            "notice": scoring.notice,
        }

    done = run_once(workspace, "score", key, work, again=again)
    return {**done.result, "repeated": done.repeated}


def _check(cutoff: pd.Timestamp | None, until: pd.Timestamp) -> None:
    if cutoff is not None and cutoff > until:
        raise InputError(
            f"The cutoff {cutoff:%Y-%m-%d %H:%M} is later than the data, which end at {until:%Y-%m-%d %H:%M} UTC.",
            "Import newer data, or score an earlier cutoff.",
        )


def _one(moment_us: int) -> npt.NDArray[np.int64]:
    return np.array([moment_us], dtype=np.int64)
