"""``aftercast score``: forecasts of the whole fleet, at one cutoff or at all that were missed."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from aftercast.cli.common import (
    AgainFlag,
    JsonFlag,
    WorkspaceOption,
    iso_instant,
    note,
    opened,
    print_json,
    print_table,
    progress,
    say,
)

PANEL = "Plan"
SOME_FAILED = 2


def score(
    *,
    cutoff: Annotated[str | None, typer.Option(help="Score this instant. [default: all cutoffs missed]")] = None,
    again: AgainFlag = False,
    workspace: WorkspaceOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Forecast every device and customer with every champion there is, and store the forecasts.

    Example: aftercast score --cutoff 2025-08-15 -w fleet
    """
    from aftercast.pipelines.engine import run_flow
    from aftercast.pipelines.flows import score as flow

    with progress("Scoring") as tell:
        result = run_flow(opened(workspace), flow.run, progress=tell, cutoff=iso_instant(cutoff), again=again)
    for text in result["notices"]:
        note(text)
    if as_json:
        print_json(result)
    else:
        _show(result)
    for failed in result["failed"]:
        note(f"Error: {failed['kind']} was not scored. {failed['message']}")
        note(f"Hint: {failed['hint']}")
    if result["failed"]:
        raise typer.Exit(SOME_FAILED)


def _show(result: dict[str, Any]) -> None:
    for run in result["runs"]:
        if run["notice"]:
            note(f"{run['kind']} at {run['cutoff'][:10]}: {run['notice']}")
    rows = [
        [run["kind"], run["cutoff"], f"{run['scored']:,}", run["model_version"], "before" if run["repeated"] else "now"]
        for run in result["runs"]
    ]
    print_table("", ["kind", "cutoff", "scored", "model version", "when"], rows, right=frozenset({2, 3}))
    say("Next: aftercast risk-list")
