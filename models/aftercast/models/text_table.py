"""Tables of texts for a terminal, and as a page."""

from __future__ import annotations

import html
import io
from collections.abc import Collection, Sequence

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text


def text_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Collection[int] = frozenset()
) -> Table:
    """Return a table; columns whose index is in ``right`` are aligned there."""
    table = Table(title=title or None, title_justify="left")
    for index, name in enumerate(columns):
        table.add_column(name, justify="right" if index in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def page(parts: Sequence[RenderableType], title: str) -> str:
    """Return texts and tables as one HTML page that needs nothing else."""
    console = Console(record=True, width=160, file=io.StringIO())
    for part in parts:
        console.print(part)
    return console.export_html(inline_styles=True).replace("<head>", f"<head>\n<title>{html.escape(title)}</title>", 1)
