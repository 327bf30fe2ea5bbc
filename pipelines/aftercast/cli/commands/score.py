"""``aftercast score``: forecasts of the whole fleet, at one cutoff or at all that were missed."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from aftercast.cli.common import (
    JsonFlag,
    WorkspaceOption,
    instant,
    note,
    opened,
    print_json,
    print_table,
    progress,
    say,
)


def score(
    cutoff: Annotated[str | None, typer.Option(help="Forecast at this time. [default: all missed cutoffs]")] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Make and store the forecasts of every champion, for every device and customer.

    Example: aftercast score --cutoff 2025-08-15 -w fleet
    """
    from aftercast.pipelines.engine import run_flow
    from aftercast.pipelines.score import run_score

    place, moment = opened(workspace), instant(cutoff)
    with progress("Scoring") as tell:

        def direct() -> dict[str, Any]:
            return run_score(place, cutoff=moment, progress=tell)

        result = run_flow(place, "score_flow", direct, cutoff=None if moment is None else moment.isoformat())
    for text in result["notices"]:
        note(text)
    if as_json:
        print_json(result)
        return
    for run in result["runs"]:
        if run.get("shift"):
            note(f"{run['kind'].capitalize()} at {run['cutoff'][:10]}: {run['shift']}")
    rows = [
        [run["kind"], run["cutoff"], f"{run['scored']:,}", run["model_version"], "before" if run["repeated"] else "now"]
        for run in result["runs"]
    ]
    print_table("", ["kind", "cutoff", "scored", "model version", "when"], rows, right=frozenset({2, 3}))
    say("Next: aftercast risk-list")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("score")(score)
