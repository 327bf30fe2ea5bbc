"""What an import did, in numbers and in words."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class TableReport:
    """What an import did with one table.

    Attributes
    ----------
    read
        Rows the sources delivered.
    kept
        Rows stored; a row whose end was not known from its start (a retirement) is stored as two.
    duplicate
        Rows that said what was stored already.
    corrected
        Kept rows that replace what was visible before them.
    withdrawn
        Facts that were taken back.
    quarantined
        Records (rows, or single sensor cells) refused, by reason.
    examples
        For each reason, one record in words.
    """

    read: int = 0
    kept: int = 0
    duplicate: int = 0
    corrected: int = 0
    withdrawn: int = 0
    quarantined: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)


@dataclass
class ImportReport:
    """What an import did.

    Attributes
    ----------
    version
        Store version that it left.
    published
        Whether this import published it; False where it brought nothing new.
    notices
        What people should know though nothing is wrong.
    """

    import_id: str
    version: int = 0
    published: bool = False
    tables: dict[str, TableReport] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)

    def table(self, name: str) -> TableReport:
        """Return the report of a table, started where there is none yet."""
        return self.tables.setdefault(name, TableReport())

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values for JSON."""
        return asdict(self)
