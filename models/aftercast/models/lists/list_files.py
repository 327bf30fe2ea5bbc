"""A risk list as a file people open: CSV and XLSX, safe against cells that a spreadsheet would run as formulas."""

from __future__ import annotations

import csv
import io
from typing import Any, Final

from openpyxl import Workbook
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter

from aftercast.models.lists.risk_list import RiskList, Row

COLUMNS: Final = (
    ("rank", 6),
    ("device_id", 16),
    ("device_model", 16),
    ("customer_id", 16),
    ("component", 14),
    ("probability", 12),
    ("horizon", 9),
    ("what", 52),
    ("drivers", 70),
    ("evidence", 11),
    ("missing_inputs", 20),
    ("data_as_of", 26),
    ("model_version", 14),
    ("cutoff", 26),
    ("list_id", 19),
)
"""Name and width (characters) of each column."""


def to_csv(made: RiskList) -> str:
    """CSV text with a header, comma separated, lines ended by CRLF (RFC 4180)."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([name for name, _ in COLUMNS])
    writer.writerows([[safe(cell) for cell in _cells(made, row)] for row in made.rows])
    return text.getvalue()


def to_xlsx(made: RiskList) -> bytes:
    """Workbook with one sheet, a frozen header and a filter; probabilities are numbers shown as percent."""
    book = Workbook()
    sheet: Any = book.active
    sheet.title = "Risk list"
    sheet.append([name for name, _ in COLUMNS])
    for row in made.rows:
        sheet.append([safe(cell) for cell in _cells(made, row)])
    _format(sheet)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def safe(cell: str | float | None) -> str | float | None:
    """Return a cell that no spreadsheet takes for a formula: text that begins like one gets an apostrophe before it.

    >>> safe("=1+1"), safe("@SUM(A1)"), safe("-5"), safe("D0017"), safe(-5.0)
    ("'=1+1", "'@SUM(A1)", "'-5", 'D0017', -5.0)
    """
    if (isinstance(cell, str) and cell.lstrip()[:1] in {"=", "+", "-", "@"}) or (
        isinstance(cell, str) and cell[:1] in {"\t", "\r"}
    ):
        return f"'{cell}"
    return cell


def _cells(made: RiskList, row: Row) -> list[str | float | None]:
    return [
        row.rank,
        row.device_id,
        row.device_model,
        row.customer_id,
        row.component,
        row.probability,
        row.horizon,
        row.sentence,
        "; ".join(row.drivers),
        row.evidence,
        ", ".join(row.missing),
        row.data_as_of,
        row.model_version,
        made.cutoff.isoformat(),
        made.list_id,
    ]


def _format(sheet: Any) -> None:
    for number, (name, width) in enumerate(COLUMNS, start=1):
        letter = get_column_letter(number)
        sheet.column_dimensions[letter].width = width
        head = sheet[f"{letter}1"]
        head.font = Font(bold=True, color="FFFFFF")
        head.fill = PatternFill("solid", fgColor="1F4E79")
        for cell in sheet[letter][1:]:
            cell.alignment = Alignment(vertical="top", wrap_text=name in {"what", "drivers"})
            if name == "probability":
                cell.number_format = "0.0%"
            if isinstance(cell.value, str):
                cell.data_type = "s"
    sheet.freeze_panes = "C2"
    sheet.auto_filter.ref = sheet.dimensions
