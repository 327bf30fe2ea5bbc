"""``aftercast forget``: remove everything that is stored of a device or customer."""

from __future__ import annotations

from typing import Annotated

import typer

from aftercast.cli.common import JsonFlag, WorkspaceOption, counted, opened, print_json, progress, say

PANEL = "Data"


def forget(
    entity_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the device or customer.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; it cannot be undone.")] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Remove every row, forecast and list entry of a device or customer from the disk. It cannot be undone.

    The audit log goes on to name the id in what was answered. Backups and files outside the workspace are yours to
    clean; importing such a file brings the rows back. Earlier versions of the store end.

    Example: aftercast forget C000042 -w fleet
    """
    from aftercast.pipelines.vacuum import run_forget

    place = opened(workspace)
    if not yes:
        typer.confirm(f"Remove everything that is stored of '{entity_id}'?", abort=True)
    with progress("Removing"):
        found = run_forget(place, entity_id)
    if as_json:
        print_json(found)
        return
    for name, table in found["tables"].items():
        if table["rows"] > 0:
            say(f"{name}: {counted(table['rows'], 'row', 'rows')} removed.")
    named = found["database"] + found["online"]
    say(f"{counted(named, 'entry', 'entries')} of forecasts, lists and reports cleaned. Next: aftercast score")
