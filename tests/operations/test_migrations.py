"""Migrations make the tables as they are declared, on both engines, whoever upgrades at the same moment."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Column, Engine, MetaData, String, inspect, text

from aftercast.operations import database
from aftercast.operations.database.engine import connect, open_database, schema_state, upgrade_schema
from aftercast.operations.database.inbox import count_waiting
from aftercast.operations.database.keys import create_key, list_keys
from aftercast.operations.database.schema import FOLDER, VERSION_TABLE, revision_files, run_missing
from aftercast.operations.database.tables import METADATA
from aftercast.operations.errors import WorkspaceError

PROCESSES = 8
NEWEST = list(revision_files())[-1]
for found in pkgutil.iter_modules(database.__path__):  # each declares its table
    importlib.import_module(f"{database.__name__}.{found.name}")

Fresh = Callable[[], str]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.service)])
def fresh(request: pytest.FixtureRequest, tmp_path: Path) -> Fresh:
    """Return a function that gives the address of a new, empty database."""
    if request.param == "postgresql":
        made: Fresh = request.getfixturevalue("postgres")
        return made
    return lambda: f"sqlite:///{tmp_path / uuid.uuid4().hex}.db"


@pytest.fixture
def empty(fresh: Fresh, tmp_path: Path) -> Iterator[Engine]:
    """Return an empty database that nothing upgrades by itself."""
    engine = connect(fresh(), tmp_path)
    yield engine
    engine.dispose()


def run(engine: Engine, script: str) -> None:
    with engine.begin() as connection:
        for statement in script.split(";\n"):
            connection.exec_driver_sql(statement.strip())


def keys(engine: Engine) -> dict[str, list[str]]:
    """Primary key of each table, which the comparison of tables leaves out."""
    inspector = inspect(engine)
    return {name: inspector.get_pk_constraint(name)["constrained_columns"] for name in METADATA.tables}


def address_of(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=False)


def revision(engine: Engine) -> str | None:
    return schema_state(engine).current


def differences(engine: Engine, metadata: MetaData) -> list[Any]:
    """What would have to be done to the database to make it what the tables declare."""
    with engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True, "version_table": VERSION_TABLE}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))


def with_one_more_column() -> MetaData:
    changed = MetaData()
    for table in METADATA.tables.values():
        table.to_metadata(changed)
    changed.tables["api_keys"].append_column(Column("colour", String))
    return changed


def test_migrations_make_what_the_tables_declare(empty: Engine) -> None:
    assert upgrade_schema(empty).current is None
    assert len(METADATA.tables) == 11
    assert differences(empty, METADATA) == []
    assert keys(empty) == {name: [*table.primary_key.columns.keys()] for name, table in METADATA.tables.items()}
    assert revision(empty) == NEWEST


def test_a_column_without_a_migration_is_noticed(empty: Engine) -> None:
    upgrade_schema(empty)
    (found,) = differences(empty, with_one_more_column())
    assert (found[0], found[2], found[3].name) == ("add_column", "api_keys", "colour")


def test_an_upgrade_that_is_killed_before_its_end_has_changed_nothing(empty: Engine) -> None:
    command = [sys.executable, __file__, "--hang", address_of(empty)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "upgraded\n"
        process.kill()

    assert inspect(empty).get_table_names() == []
    upgrade_schema(empty)
    assert differences(empty, METADATA) == []


def test_a_table_of_another_program_stops_the_upgrade_before_anything_changed(empty: Engine) -> None:
    run(empty, "CREATE TABLE inbox (mail VARCHAR NOT NULL)")
    with pytest.raises(WorkspaceError, match=r"tables of another program: .*inbox.* already exists") as refused:
        upgrade_schema(empty)
    assert "database.address" in refused.value.hint
    assert inspect(empty).get_table_names() == ["inbox"]


def test_revisions_of_another_program_in_the_same_database_are_left_alone(empty: Engine) -> None:
    run(empty, "CREATE TABLE alembic_version (version_num VARCHAR(32));\nINSERT INTO alembic_version VALUES ('mlflow')")
    upgrade_schema(empty)
    with empty.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == "mlflow"
    assert revision(empty) == NEWEST


def test_upgrading_again_does_nothing(empty: Engine) -> None:
    upgrade_schema(empty)
    create_key(empty, "ticketing")
    before = list_keys(empty)
    again = upgrade_schema(empty)
    assert (again.current, again.missing, again.up_to_date) == (NEWEST, (), True)
    assert list_keys(empty) == before


def test_a_database_of_a_newer_release_is_refused_and_left_alone(empty: Engine, tmp_path: Path) -> None:
    upgrade_schema(empty)
    run(empty, f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    for question in (upgrade_schema, schema_state, lambda engine: open_database(address_of(engine), tmp_path)):
        with pytest.raises(WorkspaceError, match="newer release of aftercast: its revision is 9999") as refused:
            question(empty)
        assert "Install the release that upgraded it" in refused.value.hint
    with empty.connect() as connection:
        assert connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar_one() == "9999"


def test_manual_upgrades_refuse_what_is_behind_and_open_what_is_not(empty: Engine, tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="behind this release") as refused:
        open_database(address_of(empty), tmp_path, upgrade="manual")
    assert "aftercast database upgrade" in refused.value.hint
    assert inspect(empty).get_table_names() == []

    upgrade_schema(empty)
    engine = open_database(address_of(empty), tmp_path, upgrade="manual")
    assert count_waiting(engine).batches == 0
    engine.dispose()


@pytest.mark.slow
def test_processes_that_open_new_databases_at_once_all_succeed(empty: Engine, fresh: Fresh, tmp_path: Path) -> None:
    other = connect(fresh(), tmp_path)
    command = [sys.executable, __file__, str(tmp_path)]
    running = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(PROCESSES)
    ]
    for engine in (empty, other):
        for process in running:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n", process.communicate()[1]
        for process in running:
            assert process.stdin is not None
            process.stdin.write(f"{address_of(engine)}\n")
            process.stdin.flush()
    told = [process.communicate(timeout=120) for process in running]

    assert [process.returncode for process in running] == [0] * PROCESSES, "".join(error for _, error in told)
    assert {error for _, error in told} == {""}, "an upgrade prints nothing"
    for engine in (empty, other):
        assert differences(engine, METADATA) == []
        assert revision(engine) == NEWEST
    other.dispose()


def test_opening_what_is_up_to_date_does_not_load_alembic(tmp_path: Path) -> None:
    open_database("sqlite:///aftercast.db", tmp_path).dispose()
    words = "import sys, pathlib; from aftercast.operations.database.engine import open_database as o; "
    words += "o('sqlite:///aftercast.db', pathlib.Path(sys.argv[1])); print('alembic' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", words, str(tmp_path)], check=True, capture_output=True, text=True)
    assert shown.stdout == "False\n"


def test_files_are_named_by_their_revisions_which_form_one_line() -> None:
    scripts = ScriptDirectory(FOLDER)
    line = [(script.revision, script.down_revision, Path(script.path)) for script in scripts.walk_revisions()][::-1]
    files = revision_files()
    assert [(revision, path) for revision, _, path in line] == list(files.items())
    assert [down for _, down, _ in line] == [None, *list(files)[:-1]]
    assert scripts.get_heads() == [NEWEST]


def open_what_is_named(folder: Path) -> None:
    """Open each database named on stdin as soon as it is named."""
    for _ in range(2):
        print("ready", flush=True)  # noqa: T201  # read by the test
        open_database(sys.stdin.readline().strip(), folder).dispose()


def upgrade_and_hang(address: str) -> None:
    """Run every migration in a transaction that never ends."""
    engine = connect(address, Path())
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        run_missing(connection)
        print("upgraded", flush=True)  # noqa: T201  # read by the test
        Event().wait()


if __name__ == "__main__":
    if sys.argv[1] == "--hang":
        upgrade_and_hang(sys.argv[2])
    else:
        open_what_is_named(Path(sys.argv[1]))
