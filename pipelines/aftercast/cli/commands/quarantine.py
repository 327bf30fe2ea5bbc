"""``aftercast quarantine``: every rejected record, and why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aftercast.cli.common import (
    JsonFlag,
    WorkspaceOption,
    note,
    opened,
    print_json,
    print_table,
    require_writable,
    say,
    writing,
)

if TYPE_CHECKING:  # loaded when the command runs, as in every command
    import pandas as pd

    from aftercast.data.workspace import Workspace

PANEL = "Data"


def quarantine(
    *,
    table: Annotated[str | None, typer.Option(help="Only records of this table.")] = None,
    reason: Annotated[str | None, typer.Option(help="Only records with this reason, as in `aftercast status`.")] = None,
    top: Annotated[int | None, typer.Option(min=1, help="List so many records. [default: a line a reason]")] = None,
    out: Annotated[Path | None, typer.Option(help="CSV file to write, one for each table. [default: print]")] = None,
    everything: Annotated[bool, typer.Option("--solved", help="With --out: those that were solved, too.")] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonFlag = False,
) -> None:
    """List the rejected records, a line for each reason, and which of them a later import has solved.

    --top lists single records, newest first. --out writes them in the columns of your own file with the reason beside:
    correct the cells and import the file as it is. If the reason is about one cell, the rest of its row was kept.

    Example: aftercast quarantine --table telemetry --out refused.csv -w fleet
    """
    require_writable(out)
    place = opened(workspace)
    found = _chosen(place, table, reason)
    shown = found.head(top or len(found))
    if out is not None:
        _write(place, shown if everything else shown[~shown["solved"]], out)
    elif as_json:
        print_json(_records(shown.rename(columns={"available_at": "found_at"})))
    elif top is not None:
        _show(shown, len(found))
    else:
        _show_reasons(found)


def _chosen(place: Workspace, table: str | None, reason: str | None) -> pd.DataFrame:
    from aftercast.data.refused_rows import solved
    from aftercast.operations.errors import NotFoundError

    found = place.store.quarantine()
    for column, wanted in (("table", table), ("reason", reason)):
        there = sorted(found[column].unique())
        if wanted is not None and wanted not in there:
            named = ", ".join(there) or "none"
            raise NotFoundError(f"Nothing was set aside with {column} '{wanted}'.", f"There is: {named}.")
        found = found if wanted is None else found[found[column] == wanted]
    found = found.reset_index(drop=True)
    return found.assign(solved=solved(place.store, found)).iloc[::-1].reset_index(drop=True)


def _records(found: pd.DataFrame) -> list[dict[str, Any]]:
    texts = found.assign(found_at=[moment.isoformat() for moment in found["found_at"]]).astype(object)
    rows = texts.where(texts.notna(), None).to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in rows]


def _write(place: Workspace, found: pd.DataFrame, out: Path) -> None:
    """Write a file for each table: the one that was named, or beside it one with the table in its name."""
    from aftercast.data.refused_rows import in_own_columns
    from aftercast.models.lists.list_files import safe_text

    names = list(dict.fromkeys(found["table"]))
    for name in names:
        file = out if len(names) == 1 else out.with_name(f"{out.stem}-{name}{out.suffix}")
        frame = in_own_columns(found[found["table"] == name], place.fleet)
        texts = frame.map(safe_text)
        with writing(file):
            texts.to_csv(file, index=False, encoding="utf-8-sig", lineterminator="\r\n")
        note(f"{len(frame):,} records of {name} written to {file}.")
    if not names:
        note("Nothing was written: every record was solved by a later import. They too: --solved")


def _show_reasons(found: pd.DataFrame) -> None:
    from aftercast.data.store import summarise_quarantine

    if len(found) == 0:
        say("Nothing was set aside.")
        return
    counts = summarise_quarantine(found.iloc[::-1])
    rows = [[item.table, item.reason, f"{item.count:,}", f"{item.solved:,}", item.example] for item in counts]
    print_table(
        "", ["table", "reason", "records", "solved", "newest that is not solved"], rows, right=frozenset({2, 3})
    )
    say(f"{len(found):,} records set aside. To correct them: --out FILE.csv. Single records: --top 20")


def _show(found: pd.DataFrame, count: int) -> None:
    columns = ["table", "from", "row", "reason", "detail", "found", "solved"]
    rows = [
        [
            row["table"],
            row["origin"],
            f"{row['row_number']:,}",
            row["reason"],
            row["detail"],
            row["found_at"][:16],
            "yes" if row["solved"] else "",
        ]
        for row in _records(found.rename(columns={"available_at": "found_at"}))
    ]
    print_table("", columns, rows, right=frozenset({2}))
    say(f"{len(found):,} of {count:,} records set aside. All, with the records themselves: --out FILE.csv")
