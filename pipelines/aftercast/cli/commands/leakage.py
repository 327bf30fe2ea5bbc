"""``aftercast leakage``: features that use what was not known at their cutoff."""

from __future__ import annotations

from typing import Annotated

import typer

from aftercast.cli.common import (
    JsonFlag,
    KindArgument,
    WorkspaceOption,
    instant,
    opened,
    print_json,
    print_table,
    progress,
    say,
)

LEAKS = 1

PANEL = "Models"


def leakage(
    kind: KindArgument,
    *,
    until: Annotated[str | None, typer.Option(help="End of the training time. [default: all data]")] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Find features that use what was not known at their cutoff, with the reason.

    Exit code 1 if a feature leaks, else 0. A warning is for a person to look at.

    Example: aftercast leakage failure -w fleet
    """
    from aftercast.models.leakage.gate import lint_store

    place, moment = opened(workspace), instant(until)
    with progress("Looking for leaks:") as tell:
        report = lint_store(kind, place.store, place.fleet, until=moment, progress=tell)
    if as_json:
        print_json(report.to_dict())
    else:
        rows = [[found.severity, found.feature, found.check, found.reason] for found in report.findings]
        if len(rows) > 0:
            print_table("", ["", "feature", "check", "why"], rows)
        for check, looked_at in report.checked.items():
            say(f"{check}: {looked_at}")
        say(report.verdict)
    if report.stopped:
        raise typer.Exit(LEAKS)
