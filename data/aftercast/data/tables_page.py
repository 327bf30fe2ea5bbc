"""The page ``docs/tables.md``, written from the contract."""

from __future__ import annotations

from typing import Final

from aftercast.data.contract import TABLES, Column, Table
from aftercast.data.kinds import KINDS

HEAD: Final = """# Tables an import takes

A file, folder or sheet is named like its table (`devices.csv`, `telemetry/part-1.parquet`), and its columns as below.
`aftercast init --source PATH` reads files and columns of other names, too, and writes down which is which:
[sources.md](sources.md). Columns in **bold** are required. A table you do not have is left out: work orders alone are
enough to train, or devices and failures. Which sensors, components and fault codes the models know:
[fleet.md](fleet.md). The same in the terminal: `aftercast tables`.

Two rows with the same key are a correction where `available_at` differs: the later one counts from then on. A table may
leave `available_at` out. Its events are then known when they happened (plus `available_after`). What they led to
(closing, outcome, rating) is known when they were over. A row that differs from the stored one is a correction known
from its import.

To take a row back, import a row with its key and `withdrawn` = true, and with `withdrawal_reason` if you like; its
other cells may be empty. From then on nobody believes it; what was forecast before stays as it was. `available_at` says
since when, the time of the import where it is empty. A later row with the same key is believed again. In the terminal:
`aftercast withdraw`. How rows are removed from the disk: [retention.md](retention.md).
"""


def tables_page() -> str:
    """Return the page; ``python -m aftercast.data.tables_page`` prints it."""
    return "\n".join([HEAD, *map(_section, TABLES.values())])


def _section(table: Table) -> str:
    key = ", ".join(f"`{name}`" for name in table.key)
    others = ""
    if table.open:
        others = f" Other columns are features where `[tables.{table.name}.attributes]` names them."
    if table.name == "telemetry":
        others = " Other columns with numbers are sensors."
    lines = [f"## `{table.name}`\n\nA row is {table.about}. One row per {key}.{others}\n"]
    lines += ["| column | kind | what |", "|---|---|---|"]
    return "\n".join([*lines, *(_line(table, column) for column in table.required_first)]) + "\n"


def _line(table: Table, column: Column) -> str:
    name = f"**`{column.name}`**" if column.name in table.required else f"`{column.name}`"
    return f"| {name} | {KINDS[column.kind].words} | {column.words} |"


if __name__ == "__main__":
    print(tables_page(), end="")  # noqa: T201 - a page on standard output is what it is for
