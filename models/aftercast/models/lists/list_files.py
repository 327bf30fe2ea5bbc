"""A risk list as a file people open: CSV and XLSX, safe against cells that a spreadsheet would run as formulas."""

from __future__ import annotations

import csv
import io
import re
from typing import Any, Final

from openpyxl import Workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter

from aftercast.models.kinds import kind_of
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
WIDTHS: Final = dict(COLUMNS)
OF_DEVICES: Final = frozenset({"device_id", "device_model", "component"})
"""Columns that a list of customers does not have."""
OF_HAZARDS: Final = frozenset({"component", "probability", "horizon"})
"""Columns that a list of other forecasts than probabilities does not have; it has its values instead."""
USUAL_WIDTH: Final = 14
_NUMBER: Final = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?")
REPLACED: Final = "\N{REPLACEMENT CHARACTER}"
"""Stands in a workbook for a control character, which its format cannot hold."""


def to_csv(made: RiskList) -> str:
    """CSV text with a header, comma separated, lines ended by CRLF (RFC 4180)."""
    text = io.StringIO()
    csv.writer(text).writerows(_table(made))
    return text.getvalue()


def to_xlsx(made: RiskList) -> bytes:
    """Workbook with one sheet, a frozen header and a filter; probabilities are numbers shown as percent.

    Control characters become :data:`REPLACED`.
    """
    book = Workbook()
    sheet: Any = book.active
    sheet.title = "Risk list"
    for line in _table(made):
        sheet.append([ILLEGAL_CHARACTERS_RE.sub(REPLACED, cell) if isinstance(cell, str) else cell for cell in line])
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


def safe_text(cell: Any) -> Any:
    """Return a cell of a file that is to be imported again: as :func:`safe`, but a number stays one.

    >>> safe_text("-5.2"), safe_text("=1+1"), safe_text("+49 30")
    ('-5.2', "'=1+1", "'+49 30")
    """
    return cell if isinstance(cell, str) and _NUMBER.fullmatch(cell.strip()) else safe(cell)


def _table(made: RiskList) -> list[list[str | float | None]]:
    """Header and rows, of the columns that the list has."""
    kind = kind_of(made.kind)
    left_out = frozenset() if kind.grain == "device_id" else OF_DEVICES
    left_out |= frozenset() if kind.shape == "hazard" else OF_HAZARDS
    values = [name for name in (made.rows[0].values if made.rows else {}) if name not in WIDTHS]
    names = [name for name, _ in COLUMNS if name not in left_out]
    names[names.index("what") : names.index("what")] = values
    return [[*names], *([safe(_cells(made, row)[name]) for name in names] for row in made.rows)]


def _cells(made: RiskList, row: Row) -> dict[str, str | float | None]:
    return {
        **row.values,
        "rank": row.rank,
        "device_id": row.device_id,
        "device_model": row.device_model,
        "customer_id": row.customer_id,
        "component": row.component or row.values.get("component"),
        "probability": row.probability,
        "horizon": row.horizon,
        "what": row.sentence,
        "drivers": "; ".join(row.drivers),
        "evidence": row.evidence,
        "missing_inputs": ", ".join(row.missing),
        "data_as_of": row.data_as_of,
        "model_version": row.model_version,
        "cutoff": made.cutoff.isoformat(),
        "list_id": made.list_id,
    }


def _format(sheet: Any) -> None:
    for number, head in enumerate(sheet[1], start=1):
        letter, name = get_column_letter(number), str(head.value)
        sheet.column_dimensions[letter].width = WIDTHS.get(name, USUAL_WIDTH)
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
