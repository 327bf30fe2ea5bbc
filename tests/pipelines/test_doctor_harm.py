"""What goes wrong with files, tables, models and keys of a workspace is found, and told with its mend."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from aftercast.cli.doctor.checks import audit as audit_check
from aftercast.cli.doctor.checks import folder as folder_check
from aftercast.cli.doctor.deployment import Deployment
from aftercast.cli.doctor.findings import Finding
from aftercast.cli.doctor.runner import examine
from aftercast.data.workspace import Workspace, create_workspace
from aftercast.models.scoring.snapshot import snapshot_path
from aftercast.models.scoring.snapshot_file import load_snapshot, save_snapshot
from aftercast.operations.audit import AuditLog, anchor_log
from aftercast.operations.database.keys import create_key

NOBODY = 65_534
DAY = pd.Timedelta(days=1)


def said(workspace: Workspace, check: str, *, now: pd.Timestamp | None = None) -> list[Finding]:
    """What a check says of a workspace that is not well."""
    moment = end_of(workspace) if now is None else now
    return [line.finding for line in examine(workspace.folder, moment) if line.check == check]


def end_of(workspace: Workspace) -> pd.Timestamp:
    """Instant just after the data of the simulated fleet end."""
    until = workspace.store.observed_until()
    assert until is not None
    return until + pd.Timedelta(hours=1)


def only(findings: list[Finding], level: str) -> Finding:
    (found,) = [finding for finding in findings if finding.level == level]
    return found


@contextmanager
def changing(file: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(file)) as connection:
        yield connection
        connection.commit()


@pytest.mark.parametrize(("check", "file"), [("settings", "aftercast.toml"), ("fleet", "fleet.toml")])
def test_a_file_that_is_no_text_is_told(check: str, file: str, own_fleet: Workspace) -> None:
    now = end_of(own_fleet)
    own_fleet.path(file).write_bytes(b"name = '\xff\xfe'\n")
    found = only(said(own_fleet, check, now=now), "problem")
    assert (file in found.found, "UTF-8" in found.mend) == (True, True)


def test_a_table_with_another_number_of_rows_than_was_published_is_damaged(own_fleet: Workspace) -> None:
    now = end_of(own_fleet)
    with changing(own_fleet.path("aftercast.db")) as database:
        tables = json.loads(database.execute("SELECT tables FROM store_versions").fetchone()[0])
        rows = tables["repairs"]["rows"]
        tables["repairs"]["rows"] = rows + 1
        database.execute("UPDATE store_versions SET tables = ?", (json.dumps(tables),))
    found = only(said(own_fleet, "store", now=now), "problem")
    assert found.found == f"The table repairs has {rows:,} rows instead of {rows + 1:,}."
    assert "backup" in found.mend


def test_a_file_of_the_store_that_was_cut_short_is_told_with_its_table(own_fleet: Workspace) -> None:
    file = max(own_fleet.path("store", "faults").rglob("*.parquet"), key=lambda path: path.stat().st_size)
    os.truncate(file, file.stat().st_size // 2)
    found = only(said(own_fleet, "store"), "problem")
    assert found.found.startswith("The table faults cannot be read (")


def test_tables_that_are_gone_are_counted(own_fleet: Workspace) -> None:
    now = end_of(own_fleet)
    for name in ("faults", "repairs", "telemetry"):
        shutil.rmtree(own_fleet.path("store", name))
    found = only(said(own_fleet, "store", now=now), "problem")
    assert found.found.startswith("The table faults cannot be read")
    assert "2 more tables" in found.found


def test_facts_known_only_in_the_future_are_counted_by_table(own_fleet: Workspace) -> None:
    telemetry = own_fleet.store.read("telemetry", columns=["available_at"])["available_at"]
    now = end_of(own_fleet) - DAY
    early = int((telemetry > now + pd.Timedelta(minutes=5)).sum())
    warnings = [one.found for one in said(own_fleet, "store", now=now) if one.level == "warning"]
    assert early > 0
    assert f"{early:,} rows of telemetry became known in the future: they are not read until then." in warnings


def test_a_damaged_database_file_is_told(own_fleet: Workspace) -> None:
    now, file = end_of(own_fleet), own_fleet.path("aftercast.db")
    own_fleet.database.dispose()
    with changing(file) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'forecasts'").fetchone()
        (size,) = database.execute("PRAGMA page_size").fetchone()
    with file.open("r+b") as damaged:
        damaged.seek((page - 1) * size)
        damaged.write(b"\xff" * size)
    found = only(said(own_fleet, "database", now=now), "problem")
    assert (found.found, "backup" in found.mend) == ("aftercast.db is damaged.", True)


def test_with_manual_upgrades_a_database_that_is_behind_stops_everything_else(
    own_fleet: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = end_of(own_fleet)
    with changing(own_fleet.path("aftercast.db")) as database:
        database.execute("DELETE FROM aftercast_revision")
    assert "manual" not in only(said(own_fleet, "database", now=now), "problem").found
    monkeypatch.setenv("AFTERCAST_DATABASE__UPGRADE", "manual")
    found = only(said(own_fleet, "database", now=now), "problem")
    assert "manual" in found.found
    assert "`aftercast database upgrade`" in found.mend


def test_a_registry_that_is_no_database_is_told(own_fleet: Workspace) -> None:
    own_fleet.path("mlflow.db").write_text("this is a text and not a database, as anyone can see\n" * 50)
    found = only(said(own_fleet, "mlflow"), "problem")
    assert "cannot be read" in found.found
    assert "mlflow.address" in found.mend


def test_a_champion_whose_files_were_moved_is_told_and_the_other_kind_is_still_looked_at(own_fleet: Workspace) -> None:
    with changing(own_fleet.path("mlflow.db")) as registry:
        (run,) = registry.execute("SELECT run_id FROM model_versions WHERE name = 'aftercast-failure'").fetchone()
        registry.execute("UPDATE runs SET artifact_uri = '/nowhere/at/all' WHERE run_uuid = ?", (run,))
    churn, failure = said(own_fleet, "champion")
    assert failure.level == "problem"
    assert "The failure champion cannot be loaded" in failure.found
    assert "`aftercast train failure" in failure.mend
    assert (churn.level, "churn" in churn.found) == ("ok", True)


def test_a_champion_that_learnt_from_other_features_is_told(own_fleet: Workspace) -> None:
    path = own_fleet.path("fleet.toml")
    old = path.read_text(encoding="utf-8")
    path.write_text(old.replace('windows = ["24h", "72h", "168h"]', 'windows = ["24h", "48h", "168h"]', 1))
    assert path.read_text(encoding="utf-8") != old
    found = only([one for one in said(own_fleet, "champion") if "failure" in one.found], "problem")
    assert "other features" in found.found
    assert "fleet.toml" in found.mend


def test_rows_that_the_champion_has_not_judged_are_told(own_fleet: Workspace) -> None:
    path = snapshot_path(own_fleet.folder, "churn")
    save_snapshot(replace(load_snapshot(path), judged={}), path)
    found = only(said(own_fleet, "rows"), "warning")
    assert "churn" in found.found
    assert "aftercast score" in found.mend


def test_a_key_that_expired_lately_without_a_successor_is_told(own_fleet: Workspace) -> None:
    now = pd.Timestamp.now("UTC")
    forgotten, _ = create_key(own_fleet.database, "forgotten", expires_at=now + DAY)
    working, _ = create_key(own_fleet.database, "working")

    def warned(moment: pd.Timestamp) -> list[Finding]:
        told = [one for one in said(own_fleet, "keys", now=moment) if one.level == "warning"]
        return [one for one in told if forgotten in one.found or working in one.found]

    (warning,) = warned(now + 2 * DAY)
    assert "expired" in warning.found
    assert f"keys revoke {forgotten}" in warning.mend
    assert warned(now + 60 * DAY) == []


def test_entries_of_the_log_that_nobody_anchors_are_counted_after_a_minute(own_fleet: Workspace) -> None:
    position = own_fleet.audit.append("key.created", {"key_id": "x"})
    own_fleet.audit.close()
    now = pd.Timestamp.now("UTC")
    assert {one.level for one in said(own_fleet, "audit", now=now)} == {"ok"}
    found = only(said(own_fleet, "audit", now=now + DAY), "warning")
    assert f"{position.seq} entries are not anchored" in found.found
    assert "aftercast serve" in found.mend


def test_a_log_that_was_removed_or_begun_anew_is_a_problem(own_fleet: Workspace) -> None:
    own_fleet.audit.append("key.created", {"key_id": "x"})
    anchor_log(own_fleet.audit, own_fleet.database)
    own_fleet.audit.close()
    shutil.rmtree(own_fleet.path("audit"))
    assert "was anchored here" in only(said(own_fleet, "audit"), "problem").found

    with AuditLog(own_fleet.path("audit"), segment_bytes=1_000) as log:
        log.append("key.created", {"key_id": "y"})
    assert "was anchored here" in only(said(own_fleet, "audit"), "problem").found


def test_a_log_whose_id_was_altered_is_a_problem(own_fleet: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    own_fleet.audit.append("key.created", {"key_id": "x"})
    own_fleet.audit.close()
    own_fleet.path("audit", "chain").write_text("none")
    for too_long in (False, True):
        if too_long:
            monkeypatch.setattr(audit_check, "LONG_MB", 0)
        assert "32 hexadecimal digits" in only(said(own_fleet, "audit"), "problem").found


def test_what_another_user_made_is_named(fleet_workspace: Workspace) -> None:
    list(examine(fleet_workspace.folder))  # what the checks import is imported with our own rights
    base = Path(tempfile.mkdtemp())
    try:
        base.chmod(0o755)
        made = create_workspace(base / "fleet", fleet_workspace.fleet)
        made.audit.append("key.created", {"key_id": "x"})
        made.audit.close()
        for path in made.path("audit").iterdir():
            path.chmod(0o444)
        for path in (made.folder, *made.folder.iterdir()):
            os.chown(path, NOBODY if os.getuid() == 0 else -1, -1)
        with _rights_of(NOBODY):
            found = only(list(folder_check.check(Deployment(made.folder))), "problem")
        made.folder.chmod(0o555)
        with _rights_of(NOBODY):
            closed = only(list(folder_check.check(Deployment(made.folder))), "problem")
    finally:
        shutil.rmtree(base)
    assert found.found == "3 files and folders cannot be written by this user, the first is audit/000001.jsonl."
    assert f"`chown -R USER {made.folder}`" in found.mend
    assert "the workspace itself" in closed.found


def test_a_disk_that_is_nearly_full_is_told(tmp_path: Path, fleet_workspace: Workspace) -> None:
    """The disk is one of 60 MB in memory that only the examining process sees."""
    made, disk = create_workspace(tmp_path / "fleet", fleet_workspace.fleet), tmp_path / "disk"
    disk.mkdir()
    look = f"{sys.executable} -m aftercast.cli.main doctor --json -w {disk}/fleet"
    script = f"mount -t tmpfs -o size=60m none {disk} || exit 77; cp -r {made.folder} {disk}/fleet && exec {look}"
    shown = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", script], capture_output=True, text=True, check=False
    )
    if shown.returncode not in {0, 2}:
        pytest.skip("a disk of its own cannot be mounted here")
    (found,) = [line for line in json.loads(shown.stdout) if line["check"] == "folder"]
    assert (found["level"], shown.returncode) == ("problem", 2)
    assert "MB are free" in found["found"]
    assert "Free space" in found["mend"]


@contextmanager
def _rights_of(user: int) -> Iterator[None]:
    """Rights of a user for the length of a with block; who is not root has no more than those of a user anyway."""
    own = os.geteuid()
    if own == 0:
        os.seteuid(user)
    try:
        yield
    finally:
        os.seteuid(own)
