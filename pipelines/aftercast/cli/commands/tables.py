"""``aftercast tables``: which tables and columns an import takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from aftercast.cli.common import JsonFlag, print_json, print_table, say

if TYPE_CHECKING:  # loaded when the command runs, as in every command
    from aftercast.data.contract import Table

PANEL = "Data"


def tables(
    name: Annotated[str | None, typer.Argument(help="Table to show the columns of. [default: list all tables]")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Show which tables an import takes, and the columns of one.

    Example: aftercast tables repairs
    """
    from aftercast.data.contract import TABLES
    from aftercast.data.kinds import KINDS
    from aftercast.operations.errors import SettingsError

    if name is not None and name not in TABLES:
        raise SettingsError(f"There is no table '{name}'.", f"Tables: {', '.join(TABLES)}.")
    wanted = TABLES if name is None else {name: TABLES[name]}
    if as_json:
        print_json({each.name: _facts(each) for each in wanted.values()})
    elif name is None:
        print_table("", ["table", "a row is"], [[table.name, table.about] for table in TABLES.values()])
        say("Columns of one: aftercast tables NAME. A file is named like its table: devices.csv, repairs.parquet.")
    else:
        table = TABLES[name]
        rows = [
            [each.name, KINDS[each.kind].words, "required" if each.name in table.required else "", each.words]
            for each in table.required_first
        ]
        print_table(f"{name}: {table.about}", ["column", "kind", "", "what"], rows)
        say(f"One row per {', '.join(table.key)}; the same with a later available_at is a correction.")
        if table.open:
            say("Any other column is kept, too: sensors of telemetry, attributes of devices and customers.")


def _facts(table: Table) -> dict[str, Any]:
    from aftercast.data.kinds import KINDS

    columns = [
        {
            "name": each.name,
            "kind": KINDS[each.kind].words,
            "required": each.name in table.required,
            "about": each.words,
        }
        for each in table.required_first
    ]
    return {"about": table.about, "key": table.key, "other_columns": table.open, "columns": columns}
