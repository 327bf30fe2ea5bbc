"""``aftercast import``: read data into the store, and say what was kept and what was not."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from aftercast.cli.common import JsonFlag, WorkspaceOption, note, opened, print_json, print_table, progress, say
from aftercast.operations.errors import InputError

COUNTS = ("read", "kept", "duplicate", "corrected")
CONTRADICTION = "conflicting_duplicate"

PANEL = "Data"


def import_(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="tables, azure-pdm, backblaze, cmapss, navarchos.")],
    path: Annotated[Path, typer.Argument(metavar="PATH", help="File or folder to read.")],
    workspace: WorkspaceOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Import data; impossible rows are set aside with the reason, and importing twice changes nothing.

    Exit code 2 where a table kept no row. What fleet.toml lists none of is drafted from the data.

    Example: aftercast import tables data/tables -w fleet
    """
    from aftercast.pipelines.engine import run_flow
    from aftercast.pipelines.flows import ingest

    place = opened(workspace)
    with progress("Importing") as tell:
        report = run_flow(place, ingest.run, progress=tell, source=source, path=str(path.resolve()))
    if as_json:
        print_json(report)
    else:
        _show(report)
    _tell_draft(report, place.path("fleet.toml"))
    _refuse_fruitless(report)


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


def _tell_draft(report: dict[str, Any], file: Path) -> None:
    if not report["drafted"]:
        return
    what = ", ".join(name.replace("_", " ") for name in report["drafted"])
    note(f"fleet.toml had no {what}: drafted from the data. Look it over: {file}")
    if report["version"] > 1:
        note("A model trained before knows nothing of it: train again.")


def _refuse_fruitless(report: dict[str, Any]) -> None:
    """Raise InputError for a table of which no row was stored, now or before: its file is wrong as a whole.

    Rows that contradict stored ones came from a table that could be read.
    """
    for name, table in report["tables"].items():
        reasons = table["quarantined"]
        if reasons and table["kept"] + table["duplicate"] == 0 and CONTRADICTION not in reasons:
            reason = max(reasons, key=lambda each: reasons[each])
            raise InputError(
                f"Table '{name}' kept none of its {table['read']:,} rows: {reason}, as in "
                f"{table['examples'].get(reason, '')}.",
                "Correct the file and import again; the other tables were imported.",
            )
