"""Running the migrations a database lacks, inside a transaction of the caller.

Alembic's own commands need a configuration file and keep the running migration in module globals, which two threads
would share with each other and with MLflow; here each migration is handed the operations it calls.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.runtime.migration import MigrationStep, RevisionStep
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from aftercast.operations.database.migrations import FOLDER

HEAD: Final = "head"


def run_missing(connection: Connection, version_table: str, *, until: str = HEAD) -> None:
    """Run what the database lacks, oldest first, and write down each revision that was reached.

    Parameters
    ----------
    connection
        In a transaction, which the caller ends.
    version_table
        Table that holds the revision; made when missing.
    until
        Last revision to run; the newest by default.
    """
    scripts = ScriptDirectory(FOLDER)

    def missing(heads: Any, _context: MigrationContext) -> Iterable[RevisionStep]:
        newest_first = list(scripts.iterate_revisions(until, heads or "base"))
        return [MigrationStep.upgrade_from_script(scripts.revision_map, script) for script in reversed(newest_first)]

    context = MigrationContext.configure(connection, opts={"version_table": version_table, "fn": missing})
    context.run_migrations(operations=Operations(context))
