"""Migrations of the operational database: one file a revision in ``versions/``, written by hand, for both engines.

A file is named ``NNNN_title.py``; NNNN is its revision. It says what changes and does not import the table definitions,
which go on changing. It must leave alone what is there already: a database made before there were revisions starts at
the first of them with some of the tables it would make.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent
VERSIONS: Final = FOLDER / "versions"


def revision_files() -> dict[str, Path]:
    """Revision -> its file, oldest first; read from the names, since importing Alembic takes half a second."""
    return {path.stem.partition("_")[0]: path for path in sorted(VERSIONS.glob("[0-9]*.py"))}
