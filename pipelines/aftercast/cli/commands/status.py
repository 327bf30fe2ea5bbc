"""``aftercast status``: what a workspace holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aftercast.cli.common import JsonFlag, WorkspaceOption, opened, print_json, print_table, say
from aftercast.models.kinds import kind_names

if TYPE_CHECKING:  # loaded when the command runs, as in every command
    from aftercast.data.status import StoreStatus
    from aftercast.data.workspace import Workspace
    from aftercast.operations.database.flow_runs import FlowRun

COLUMNS = ["table", "rows", "devices", "first event", "last event", "newest known", "followed until"]

PANEL = "Data"


def status(workspace: WorkspaceOption = None, as_json: JsonFlag = False) -> None:
    """Show what the workspace holds: data, quarantine, models, forecasts, the last runs.

    Example: aftercast status -w fleet
    """
    found = collect(opened(workspace))
    if as_json:
        print_json(found)
        return
    say(f"Fleet {found['fleet']} in {found['workspace']}")
    say(f"Store: version {found['version']}, observed until {found['observed_until'] or 'nothing yet'}")
    if found["tables"]:
        rows = [[_cell(value)[:16] for value in (name, *table.values())] for name, table in found["tables"].items()]
        print_table("", COLUMNS, rows, right=frozenset({1, 2}))
    for refused in found["quarantine"]:
        say(f"Set aside: {refused['sentence']}")
    for kind, model in found["models"].items():
        say(f"Champion for {kind}: " + ("none yet" if model is None else f"version {model['version']}"))
    for kind, stored in found["forecasts"].items():
        if stored is not None:
            say(f"Forecasts of {kind}: {stored['size']:,} at {stored['cutoff']}")
    for run in found["runs"]:
        say(f"Run {run['flow']} {run['key']}: {run['state']}, started {run['started_at']}, attempts {run['attempts']}")


def collect(place: Workspace) -> dict[str, Any]:
    """All that the command shows, as JSON values."""
    from aftercast.data.status import describe
    from aftercast.operations.database.flow_runs import list_flow_runs

    store = describe(place.store)
    return {
        "workspace": str(place.folder),
        "fleet": place.fleet.name,
        "version": store.version,
        "observed_until": _text(store.observed_until),
        "tables": _tables(store),
        "quarantine": [
            {
                "table": item.table,
                "reason": item.reason,
                "count": item.count,
                "solved": item.solved,
                "example": item.example,
                "sentence": item.sentence,
            }
            for item in store.quarantine
        ],
        "models": {kind: _model(place, kind) for kind in kind_names()},
        "forecasts": {kind: _forecasts(place, kind) for kind in kind_names()},
        "runs": [
            {
                "flow": run.flow,
                "key": run.key,
                "state": _state(place, run),
                "started_at": _text(run.started_at),
                "attempts": run.attempts,
            }
            for run in list_flow_runs(place.database, limit=5)
        ],
    }


def _tables(store: StoreStatus) -> dict[str, dict[str, Any]]:
    return {
        table.name: {
            "rows": table.rows,
            "devices": table.devices,
            "first_event": _text(table.first_event),
            "last_event": _text(table.last_event),
            "newest_available": _text(table.newest_available),
            "followed_until": _text(table.followed_until),
        }
        for table in store.tables
    }


def _state(place: Workspace, run: FlowRun) -> str:
    """State of a run; of one that was killed, that nobody works on it any more."""
    from aftercast.pipelines.runs import is_running

    if run.state == "started" and not is_running(place, run.flow, run.key):
        return "ended without a result"
    return run.state


def _model(place: Workspace, kind: str) -> dict[str, str] | None:
    from aftercast.models.registry.versions import champion_version

    found = champion_version(place, kind)
    return None if found is None else {"version": found.version, "run_id": found.run_id}


def _forecasts(place: Workspace, kind: str) -> dict[str, Any] | None:
    from aftercast.operations.database.forecasts import newest_set

    found = newest_set(place.database, kind)
    return None if found is None else {"cutoff": _text(found.cutoff), "size": found.size}


def _text(moment: Any) -> str | None:
    return None if moment is None else str(moment.isoformat())


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else str(value)
