"""``aftercast status``: what a workspace holds."""

from __future__ import annotations

from typing import Any

import typer

from aftercast.pipelines.cli.common import JsonFlag, WorkspaceOption, opened, print_json, print_table, say


def status(workspace: WorkspaceOption = None, as_json: JsonFlag = False) -> None:
    """Show what the workspace holds: data, models, scores, the last runs.

    Example: aftercast status -w fleet
    """
    found = _collect(opened(workspace))
    if as_json:
        print_json(found)
        return
    say(f"Fleet {found['fleet']} in {found['workspace']}")
    say(f"Store: version {found['version']}, observed until {found['observed_until'] or 'nothing yet'}")
    if found["tables"]:
        rows = [[name, f"{rows:,}"] for name, rows in found["tables"].items()]
        print_table("", ["table", "rows"], rows, right=frozenset({1}))
    for kind, model in found["models"].items():
        say(f"Champion for {kind}: " + ("none yet" if model is None else f"version {model['version']}"))
    for kind, scores in found["scores"].items():
        said = "none yet" if scores is None else f"{scores['size']:,} at {scores['cutoff']}"
        say(f"Scores for {kind}: {said}")
    for run in found["runs"]:
        say(f"Run {run['flow']} {run['key']}: {run['state']}, started {run['started_at']}, attempts {run['attempts']}")


def _collect(place: Any) -> dict[str, Any]:
    from aftercast.data.records.flow_runs import list_flow_runs
    from aftercast.data.records.scores import newest_scores
    from aftercast.models.registry import champion_version

    until = place.store.observed_until()
    kinds = ("failure", "churn")
    models = {kind: champion_version(place, kind) for kind in kinds}
    scores = {kind: newest_scores(place.database, kind) for kind in kinds}
    runs = list_flow_runs(place.database, limit=5)
    return {
        "workspace": str(place.folder),
        "fleet": place.fleet.name,
        "version": place.store.version(),
        "observed_until": None if until is None else until.isoformat(),
        "tables": place.store.tables(),
        "models": {k: None if m is None else {"version": m.version, "run_id": m.run_id} for k, m in models.items()},
        "scores": {
            k: None if s is None else {"cutoff": s.cutoff.isoformat(), "size": s.size} for k, s in scores.items()
        },
        "runs": [
            {
                "flow": run.flow,
                "key": run.key,
                "state": run.state,
                "started_at": run.started_at.isoformat(),
                "attempts": run.attempts,
            }
            for run in runs
        ],
    }


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("status")(status)
