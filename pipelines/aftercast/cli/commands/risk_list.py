"""``aftercast risk-list``: whom to visit, as a table, CSV, XLSX or JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from aftercast.cli.common import (
    HorizonOption,
    KindOption,
    WorkspaceOption,
    instant,
    note,
    opened,
    print_json,
    print_table,
    require_writable,
    say,
    writing,
)

PANEL = "Plan"


def risk_list(
    *,
    kind: KindOption = "failure",
    cutoff: Annotated[str | None, typer.Option(help="A scored cutoff. [default: the latest]")] = None,
    horizon: HorizonOption = None,
    top: Annotated[int | None, typer.Option(min=1, help="How many devices. [default: 20 in a table, else all]")] = None,
    form: Annotated[Literal["table", "csv", "xlsx", "json"], typer.Option("--format", help="Format.")] = "table",
    out: Annotated[Path | None, typer.Option(help="File to write. [default: print]")] = None,
    json_flag: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """List the devices with the highest risk first. A list that was given out never changes.

    Example: aftercast risk-list --horizon 7d --top 50 --format xlsx --out list.xlsx -w fleet
    """
    from aftercast.models.lists.list_files import to_csv, to_xlsx
    from aftercast.models.lists.risk_list import give_out, make_list
    from aftercast.operations.errors import SettingsError

    chosen = "json" if json_flag else form
    if chosen == "xlsx" and out is None:
        raise SettingsError("A workbook cannot be printed.", "Name a file: --out list.xlsx.")
    require_writable(out)
    shown = 20 if top is None and chosen == "table" else top
    place = opened(workspace)
    made = make_list(place, kind, cutoff=instant(cutoff), horizon=horizon, top=shown)
    give_out(place, made, by="command line")
    if chosen == "table" and out is None:
        _show(made)
    elif chosen == "json" and out is None:
        print_json(made.to_dict())
    elif out is None:
        typer.echo(to_csv(made), nl=False)
    else:
        if chosen == "xlsx":
            content = to_xlsx(made)
        elif chosen == "json":
            content = json.dumps(made.to_dict(), indent=2, ensure_ascii=False).encode()
        else:  # with a mark spreadsheets read names as they are
            content = to_csv(made).encode("utf-8-sig" if chosen == "csv" else "utf-8")
        with writing(out):
            out.write_bytes(content)
        note(f"List {made.list_id} with {len(made.rows)} devices written to {out}.")


def _show(made: Any) -> None:
    from aftercast.models.kinds import kind_of

    kind = kind_of(made.kind)
    of_devices = kind.grain == "device_id"
    columns = ["#", "device", "model", "customer", "what", "why", "evidence", "data as of"]
    rows = [
        [
            str(row.rank),
            row.device_id,
            row.device_model,
            row.customer_id or "",
            row.sentence,
            "\n".join(row.drivers[:2]),
            row.evidence,
            "" if row.data_as_of is None else row.data_as_of[5:16].replace("T", " "),
        ]
        for row in made.rows
    ]
    kept = [i for i, name in enumerate(columns) if of_devices or name not in {"device", "model"}]
    table = [[row[i] for i in kept] for row in rows]
    title = f"{kind.title} at {made.cutoff:%Y-%m-%d %H:%M} UTC"
    print_table(title, [columns[i] for i in kept], table, right=frozenset({0}))
    horizon = f", horizon {made.horizon}" if made.horizon else ""
    say(
        f"List {made.list_id}: {len(made.rows)} of {made.judged:,} {kind.entity.noun}s{horizon}, "
        f"model version {made.model_version}, data version {made.data_version}."
    )
