"""``aftercast vacuum``: remove from the disk what is past its time."""

from __future__ import annotations

from typing import Annotated

import typer

from aftercast.cli.common import JsonFlag, WorkspaceOption, counted, opened, print_json, progress, say

PANEL = "Serve and operate"


def vacuum(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Remove rows past their time, facts that were taken back, and files that nobody reads any more.

    `keep` in fleet.toml says how long the rows of a table stay, `retention` in aftercast.toml all else. Only the newest
    version of the store can be read afterwards. It waits for a running import, and can be stopped at any moment.

    Example: aftercast vacuum --dry-run -w fleet
    """
    from aftercast.pipelines.vacuum import run_vacuum

    with progress("Vacuuming"):
        found = run_vacuum(opened(workspace), dry_run=dry_run)
    if as_json:
        print_json(found)
        return
    word = "would be removed" if dry_run else "removed"
    for name, table in found["tables"].items():
        files = counted(table["files"], "unread file", "unread files")
        say(f"{name.strip('_')}: {counted(table['rows'], 'row', 'rows')} and {files} {word}.")
    for name, count in found["database"].items():
        say(f"{name}: {counted(count, 'entry', 'entries')} {word}.")
    if not found["tables"] and not found["database"]:
        say("There is nothing to remove.")
