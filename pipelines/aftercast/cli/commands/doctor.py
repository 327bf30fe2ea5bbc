"""``aftercast doctor``: what is wrong with a deployment, and how to mend it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from aftercast.cli.common import JsonFlag, WorkspaceOption, print_json, print_table, say
from aftercast.operations.environment import default_workspace

if TYPE_CHECKING:  # loaded when the command runs, as in every command
    from aftercast.cli.doctor.runner import Line

SICK = 2
SIGNS = {"ok": "ok", "warning": "warning", "problem": "PROBLEM"}

PANEL = "Serve and operate"


def doctor(workspace: WorkspaceOption = None, as_json: JsonFlag = False) -> None:
    """Check everything a deployment depends on. It changes nothing and takes at most 20 seconds for a check.

    Exit code 2 if there is a problem, 0 if there are only warnings.

    Example: aftercast doctor -w fleet
    """
    from aftercast.cli.doctor.runner import examine
    from aftercast.operations.environment import prepare_service

    prepare_service()
    lines = list(examine(default_workspace() if workspace is None else workspace))
    if as_json:
        print_json([{"check": line.check, **vars(line.finding)} for line in lines])
    else:
        _show(lines)
    if any(line.finding.level == "problem" for line in lines):
        raise typer.Exit(SICK)


def _show(lines: list[Line]) -> None:
    rows = [[line.check, SIGNS[line.finding.level], line.finding.found, line.finding.mend] for line in lines]
    print_table("", ["check", "", "found", "mend"], rows)
    problems, warnings = (sum(line.finding.level == level for line in lines) for level in ("problem", "warning"))
    say(f"{problems} problems, {warnings} warnings." if problems or warnings else "Nothing is wrong.")
