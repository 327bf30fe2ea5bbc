"""``aftercast import``: read data into the store, and say what was kept and what was not."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from aftercast.pipelines.cli.common import (
    JsonFlag,
    WorkspaceOption,
    note,
    opened,
    print_json,
    print_table,
    progress,
    say,
)

COUNTS = ("read", "kept", "duplicate", "corrected")


def import_data(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="tables, azure-pdm, backblaze, cmapss, navarchos.")],
    path: Annotated[Path, typer.Argument(metavar="PATH", help="File or folder to read.")],
    workspace: WorkspaceOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Import data; impossible rows are set aside with the reason, and importing twice changes nothing.

    Example: aftercast import tables data/tables -w fleet
    """
    from aftercast.pipelines.engine import run_flow
    from aftercast.pipelines.ingest import draft_fleet, needs_draft, run_ingest

    place = opened(workspace)
    if needs_draft(place):
        place = draft_fleet(place, source, path)
        note(f"fleet.toml named no sensors or components: it was drafted from the data. {place.path('fleet.toml')}")
    with progress("Importing") as tell:

        def direct() -> dict[str, Any]:
            done = run_ingest(place, source, path, tell)
            return {**done.result, "repeated": done.repeated}

        report = run_flow(place, "ingest_flow", direct, source=source, path=str(path.resolve()))
    if as_json:
        print_json(report)
    else:
        _show(report)


def _show(report: dict[str, Any]) -> None:
    if report["repeated"]:
        say("These files were imported before; nothing changed. The report of then:")
    rows = [
        [name, *(f"{table[count]:,}" for count in COUNTS), f"{sum(table['quarantined'].values()):,}"]
        for name, table in report["tables"].items()
    ]
    print_table("", ["table", *COUNTS, "quarantined"], rows, right=frozenset(range(1, 6)))
    for name, table in report["tables"].items():
        for reason, count in table["quarantined"].items():
            say(f"{name}: {count:,} rows set aside: {reason}. Example: {table['examples'].get(reason, '')}")
    for notice in report["notices"]:
        note(notice)
    say(f"The store is at version {report['version']}.")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("import")(import_data)
