"""``aftercast quarantine``: every rejected record, and why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aftercast.cli.common import JsonFlag, WorkspaceOption, note, opened, print_json, print_table, say, writing

if TYPE_CHECKING:  # loaded when the command runs, as in every command
    import pandas as pd

SHOWN = 20

PANEL = "Data"


def quarantine(
    *,
    table: Annotated[str | None, typer.Option(help="Only records of this table.")] = None,
    reason: Annotated[str | None, typer.Option(help="Only records with this reason, as in `aftercast status`.")] = None,
    top: Annotated[int | None, typer.Option(min=1, help="How many. [default: 20 in a table, else all]")] = None,
    out: Annotated[Path | None, typer.Option(help="CSV file to write. [default: print]")] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonFlag = False,
) -> None:
    """List the rejected records, newest first: file and row, the reason, and the record itself.

    If the reason is about one column of telemetry, the rest of the row was kept. Rejected records stay listed, with the
    time they were found, after the corrected data are imported.

    Example: aftercast quarantine --table telemetry --out refused.csv -w fleet
    """
    found = _chosen(opened(workspace).store.quarantine(), table, reason)
    shown = found.head(SHOWN if top is None and out is None and not as_json else top or len(found))
    if out is not None:
        _write(shown, out)
        note(f"{len(shown):,} records written to {out}.")
    elif as_json:
        print_json(_records(shown))
    else:
        _show(shown, len(found))


def _chosen(found: pd.DataFrame, table: str | None, reason: str | None) -> pd.DataFrame:
    from aftercast.operations.errors import NotFoundError

    for column, wanted in (("table", table), ("reason", reason)):
        there = sorted(found[column].unique())
        if wanted is not None and wanted not in there:
            named = ", ".join(there) or "none"
            raise NotFoundError(f"Nothing was set aside with {column} '{wanted}'.", f"There is: {named}.")
        found = found if wanted is None else found[found[column] == wanted]
    return found.iloc[::-1].rename(columns={"available_at": "found_at"}).reset_index(drop=True)


def _records(found: pd.DataFrame) -> list[dict[str, Any]]:
    texts = found.assign(found_at=[moment.isoformat() for moment in found["found_at"]]).astype(object)
    rows = texts.where(texts.notna(), None).to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in rows]


def _write(found: pd.DataFrame, out: Path) -> None:
    import csv

    from aftercast.models.lists.list_files import safe

    with writing(out), out.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(found.columns)
        writer.writerows([safe(cell) for cell in row.values()] for row in _records(found))


def _show(found: pd.DataFrame, count: int) -> None:
    columns = ["table", "from", "row", "reason", "detail", "found"]
    rows = [
        [row["table"], row["origin"], f"{row['row_number']:,}", row["reason"], row["detail"], row["found_at"][:16]]
        for row in _records(found)
    ]
    print_table("", columns, rows, right=frozenset({2}))
    say(f"{len(found):,} of {count:,} records set aside. All, with the records themselves: --out FILE.csv")
