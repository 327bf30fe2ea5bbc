"""Migrations take every database there was to the tables of this release, on both engines, and lose no row."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pandas as pd
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Column, Engine, MetaData, String, inspect, text
from sqlalchemy.exc import IntegrityError

from aftercast.operations.database.audit_anchors import read_anchors, write_anchor
from aftercast.operations.database.engine import METADATA, connect, open_database, schema_state, upgrade_schema
from aftercast.operations.database.forecasts import newest_scores, read_scores
from aftercast.operations.database.inbox import InboxBatch, count_waiting, find_batch, put_batch
from aftercast.operations.database.keys import create_key, verify_key
from aftercast.operations.database.migrations import FOLDER, revision_files
from aftercast.operations.database.migrations.running import run_missing
from aftercast.operations.database.risk_lists import read_list
from aftercast.operations.database.schema import VERSION_TABLE, current_revision
from aftercast.operations.database.store_versions import newest_version
from aftercast.operations.errors import WorkspaceError

PROCESSES = 8
NEWEST = list(revision_files())[-1]

BEFORE_REVISIONS = """
CREATE TABLE api_keys (key_id VARCHAR NOT NULL, name VARCHAR NOT NULL, scopes VARCHAR NOT NULL, secret_sha256 VARCHAR NOT NULL, created_at VARCHAR NOT NULL, expires_at VARCHAR, revoked_at VARCHAR, PRIMARY KEY (key_id));
CREATE TABLE flow_runs (flow VARCHAR NOT NULL, "key" VARCHAR NOT NULL, state VARCHAR NOT NULL, attempts INTEGER NOT NULL, started_at VARCHAR NOT NULL, finished_at VARCHAR, result TEXT, PRIMARY KEY (flow, "key"));
CREATE TABLE imports (import_id VARCHAR NOT NULL, origin VARCHAR NOT NULL, started_at VARCHAR NOT NULL, finished_at VARCHAR, version INTEGER, report TEXT, PRIMARY KEY (import_id));
CREATE TABLE risk_lists (list_id VARCHAR NOT NULL, cutoff VARCHAR NOT NULL, horizon VARCHAR NOT NULL, rows INTEGER NOT NULL, content TEXT NOT NULL, made_at VARCHAR NOT NULL, PRIMARY KEY (list_id));
CREATE TABLE score_sets (set_id VARCHAR NOT NULL, kind VARCHAR NOT NULL, cutoff VARCHAR NOT NULL, model_version VARCHAR NOT NULL, data_version INTEGER NOT NULL, horizons TEXT NOT NULL, components TEXT NOT NULL, size INTEGER NOT NULL, scored_at VARCHAR NOT NULL, PRIMARY KEY (set_id));
CREATE INDEX score_sets_newest ON score_sets (kind, cutoff, scored_at);
CREATE TABLE store_versions (version INTEGER NOT NULL, published_at VARCHAR NOT NULL, import_id VARCHAR NOT NULL, tables TEXT NOT NULL, observed_until VARCHAR, device_buckets INTEGER NOT NULL, PRIMARY KEY (version));
CREATE TABLE scores (set_id VARCHAR NOT NULL, entity_id VARCHAR NOT NULL, ranks TEXT NOT NULL, content TEXT NOT NULL, PRIMARY KEY (set_id, entity_id), FOREIGN KEY(set_id) REFERENCES score_sets (set_id))
"""  # noqa: E501  # as the release before revisions wrote them
ROWS = """
INSERT INTO api_keys VALUES ('0a1b2c3d', 'ticketing', 'predict lists', '2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b', '2026-01-02T03:04:05+00:00', NULL, NULL);
INSERT INTO flow_runs VALUES ('score', 'k', 'finished', 1, '2026-01-02T03:04:05+00:00', '2026-01-02T03:05:05+00:00', '{}');
INSERT INTO imports VALUES ('i', 'csv', '2026-01-02T03:04:05+00:00', '2026-01-02T03:05:05+00:00', 1, '{}');
INSERT INTO risk_lists VALUES ('l', '2026-01-02T00:00:00+00:00', '7d', 1, '{"rows": [{"device_id": "D1"}]}', '2026-01-02T03:04:05+00:00');
INSERT INTO score_sets VALUES ('9b06d6bf7a720f2a', 'failure', '2026-01-02T00:00:00+00:00', '1', 1, '["7d"]', '["pump"]', 1, '2026-01-02T03:04:05+00:00');
INSERT INTO scores VALUES ('9b06d6bf7a720f2a', 'D1', '[0.25]', '{"any": 0.25}');
INSERT INTO store_versions VALUES (1, '2026-01-02T03:04:05+00:00', 'i', '{"devices": {"delta": 1, "rows": 1}}', '2026-01-02T00:00:00+00:00', 8)
"""  # noqa: E501
ANCHORS = """
INSERT INTO audit_anchors (seq, hash, anchored_at) VALUES (1, 'a', '2026-01-02T03:04:05+00:00');
INSERT INTO audit_anchors (seq, hash, anchored_at) VALUES (5000000000, 'b', '2026-01-02T03:04:06+00:00')
"""
SECRET = "secret"
TABLES = ("api_keys", "flow_runs", "imports", "risk_lists", "score_sets", "scores", "store_versions")

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


@pytest.fixture
def old(empty: Engine) -> Engine:
    """Return a database of the release before revisions, with a row in every table."""
    run(empty, BEFORE_REVISIONS)
    run(empty, ROWS)
    return empty


def run(engine: Engine, script: str) -> None:
    with engine.begin() as connection:
        for statement in script.split(";\n"):
            connection.exec_driver_sql(statement.strip())


def at(engine: Engine, revision: str) -> Engine:
    """Take a database to a revision, as the release did whose newest one it was."""
    with engine.begin() as connection:
        run_missing(connection, VERSION_TABLE, until=revision)
    return engine


def keys(engine: Engine) -> dict[str, list[str]]:
    """Primary key of each table, which the comparison of tables leaves out."""
    inspector = inspect(engine)
    return {name: inspector.get_pk_constraint(name)["constrained_columns"] for name in METADATA.tables}


def address_of(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=False)


def contents(engine: Engine, tables: tuple[str, ...] = TABLES) -> dict[str, list[dict[str, Any]]]:
    with engine.connect() as connection:
        return {
            name: [dict(row) for row in connection.execute(text(f"SELECT * FROM {name}")).mappings()] for name in tables
        }


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
    assert differences(empty, METADATA) == []
    assert keys(empty) == {name: [*table.primary_key.columns.keys()] for name, table in METADATA.tables.items()}
    assert current_revision(empty) == NEWEST


def test_a_column_without_a_migration_is_noticed(empty: Engine) -> None:
    upgrade_schema(empty)
    (found,) = differences(empty, with_one_more_column())
    assert (found[0], found[2], found[3].name) == ("add_column", "api_keys", "colour")


def test_a_database_from_before_there_were_revisions_loses_no_row(old: Engine, tmp_path: Path) -> None:
    before = contents(old)
    engine = open_database(address_of(old), tmp_path)

    new_columns = {"outlets": None, "rate_limit": None, "replaced_by": None}
    assert contents(engine) == {**before, "api_keys": [row | new_columns for row in before["api_keys"]]}
    assert differences(engine, METADATA) == []
    engine.dispose()


def test_what_was_stored_before_is_used_as_ever(old: Engine) -> None:
    upgrade_schema(old)
    key = verify_key(old, f"ac_0a1b2c3d_{SECRET}")
    assert key is not None
    assert (key.name, key.outlets, key.rate_limit, key.replaced_by) == ("ticketing", None, None, None)
    scores = newest_scores(old, "failure")
    assert scores is not None
    assert list(read_scores(old, scores.set_id)) == [("D1", {"any": 0.25})]
    assert newest_version(old).tables["devices"].rows == 1
    assert read_list(old, "l")["rows"] == [{"device_id": "D1"}]


def test_tables_that_an_unmarked_release_made_between_are_kept(old: Engine) -> None:
    METADATA.tables["inbox"].create(old)
    METADATA.tables["audit_anchors"].create(old)
    run(old, "ALTER TABLE api_keys ADD COLUMN outlets TEXT;\nUPDATE api_keys SET outlets = '[\"north\"]'")
    put_batch(old, InboxBatch("b", "faults", ({"device_id": "D1"},), pd.Timestamp("2026-01-02", tz="UTC")))

    upgrade_schema(old)

    assert differences(old, METADATA) == []
    assert find_batch(old, "b") is not None
    key = verify_key(old, f"ac_0a1b2c3d_{SECRET}")
    assert key is not None
    assert key.outlets == frozenset({"north"})


def test_a_database_with_every_table_but_no_revision_is_marked(empty: Engine) -> None:
    METADATA.create_all(empty)
    key_id, plaintext = create_key(empty, "gateway", ("ingest",), outlets=["north"])
    upgrade_schema(empty)
    found = verify_key(empty, plaintext)
    assert found is not None
    assert (found.key_id, found.outlets) == (key_id, frozenset({"north"}))
    assert differences(empty, METADATA) == []
    assert current_revision(empty) == NEWEST


def test_anchors_from_before_chains_had_ids_stay_and_are_those_of_the_chain_without_one(empty: Engine) -> None:
    run(at(empty, "0002"), ANCHORS)
    before = contents(empty, ("audit_anchors",))["audit_anchors"]
    upgrade_schema(empty)

    assert contents(empty, ("audit_anchors",))["audit_anchors"] == [{**row, "chain": ""} for row in before]
    assert [anchor.seq for anchor in read_anchors(empty, "", 10**10)] == [1, 5_000_000_000]
    assert keys(empty)["audit_anchors"] == ["chain", "seq"]
    assert differences(empty, METADATA) == []


def test_a_process_of_the_release_before_goes_on_anchoring(empty: Engine) -> None:
    upgrade_schema(empty)
    write_anchor(empty, "a", 1, "other")
    run(empty, ANCHORS)
    assert [anchor.hash for anchor in read_anchors(empty, "", 10)] == ["a"]
    assert [anchor.hash for anchor in read_anchors(empty, "a", 10)] == ["other"]
    with pytest.raises(IntegrityError):
        run(empty, ANCHORS)


def test_an_upgrade_that_is_killed_before_its_end_has_changed_nothing(empty: Engine) -> None:
    run(at(empty, "0002"), ANCHORS)
    before = contents(empty, ("audit_anchors",))
    command = [sys.executable, __file__, "--hang", address_of(empty)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "upgraded\n"
        process.kill()

    assert (current_revision(empty), contents(empty, ("audit_anchors",))) == ("0002", before)
    assert not [name for name in inspect(empty).get_table_names() if "tmp" in name or "chains" in name]
    upgrade_schema(empty)
    assert keys(empty)["audit_anchors"] == ["chain", "seq"]
    assert len(contents(empty, ("audit_anchors",))["audit_anchors"]) == 2


def test_each_revision_can_be_where_a_database_stands(empty: Engine) -> None:
    for done, revision in enumerate(revision_files(), start=1):
        state = schema_state(at(empty, revision))
        assert (state.current, len(state.missing)) == (revision, len(revision_files()) - done)
    assert differences(empty, METADATA) == []


def test_a_table_of_another_program_stops_the_upgrade_before_anything_changed(empty: Engine) -> None:
    run(empty, "CREATE TABLE inbox (mail VARCHAR NOT NULL)")
    with pytest.raises(WorkspaceError, match="has a table 'inbox' without the column 'batch_id'"):
        upgrade_schema(empty)
    assert inspect(empty).get_table_names() == ["inbox"]


def test_revisions_of_another_program_in_the_same_database_are_left_alone(empty: Engine) -> None:
    run(empty, "CREATE TABLE alembic_version (version_num VARCHAR(32));\nINSERT INTO alembic_version VALUES ('mlflow')")
    upgrade_schema(empty)
    assert contents(empty, ("alembic_version",)) == {"alembic_version": [{"version_num": "mlflow"}]}
    assert current_revision(empty) == NEWEST


def test_upgrading_again_does_nothing(old: Engine) -> None:
    upgrade_schema(old)
    before = contents(old)
    again = upgrade_schema(old)
    assert (again.current, again.missing, again.up_to_date) == (NEWEST, (), True)
    assert contents(old) == before


def test_a_database_of_a_newer_release_is_refused_and_left_alone(old: Engine, tmp_path: Path) -> None:
    upgrade_schema(old)
    run(old, f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    for question in (upgrade_schema, schema_state, lambda engine: open_database(address_of(engine), tmp_path)):
        with pytest.raises(WorkspaceError, match="newer release of aftercast: its revision is 9999") as refused:
            question(old)
        assert "Install the release that upgraded it" in refused.value.hint
    assert current_revision(old) == "9999"


def test_manual_upgrades_refuse_what_is_behind_and_open_what_is_not(old: Engine, tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="behind this release") as refused:
        open_database(address_of(old), tmp_path, upgrade="manual")
    assert "aftercast database upgrade" in refused.value.hint
    assert not inspect(old).has_table(VERSION_TABLE)

    upgrade_schema(old)
    engine = open_database(address_of(old), tmp_path, upgrade="manual")
    assert count_waiting(engine).batches == 0
    engine.dispose()


@pytest.mark.slow
def test_processes_that_open_a_new_and_an_old_database_at_once_all_succeed(
    empty: Engine, fresh: Fresh, tmp_path: Path
) -> None:
    new, before = address_of(empty), connect(fresh(), tmp_path)
    run(before, BEFORE_REVISIONS)
    run(before, ROWS)
    command = [sys.executable, __file__, str(tmp_path)]
    running = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(PROCESSES)
    ]
    for address in (new, address_of(before)):
        for process in running:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n", process.communicate()[1]
        for process in running:
            assert process.stdin is not None
            process.stdin.write(f"{address}\n")
            process.stdin.flush()
    told = [process.communicate(timeout=120) for process in running]

    assert [process.returncode for process in running] == [0] * PROCESSES, "".join(error for _, error in told)
    assert {error for _, error in told} == {""}, "an upgrade prints nothing"
    for engine in (empty, before):
        assert differences(engine, METADATA) == []
        assert current_revision(engine) == NEWEST
    assert len(contents(before)["scores"]) == 1
    before.dispose()


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
        run_missing(connection, VERSION_TABLE)
        print("upgraded", flush=True)  # noqa: T201  # read by the test
        Event().wait()


if __name__ == "__main__":
    if sys.argv[1] == "--hang":
        upgrade_and_hang(sys.argv[2])
    else:
        open_what_is_named(Path(sys.argv[1]))
