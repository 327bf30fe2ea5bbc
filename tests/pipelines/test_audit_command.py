"""``aftercast audit`` says whether the record is whole, shows it, and gives out one id's part of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from aftercast.cli.commands import audit
from aftercast.data.fleet import FleetSpec, Sensor
from aftercast.data.workspace import create_workspace, open_workspace
from aftercast.operations.audit import AuditError, AuditLog, anchor_log, read_chain
from aftercast.operations.errors import SettingsError

RECORDS = [{"id": "D1", "probability": 0.5}, {"id": "D2", "probability": None}]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a workspace whose log has three anchored entries."""
    workspace = create_workspace(tmp_path / "fleet", FleetSpec(name="pumps", sensors=(Sensor(name="heat", unit="K"),)))
    with AuditLog(workspace.path("audit"), segment_bytes=10_000) as log:
        log.append("key.created", {"key_id": "1a2b", "name": "ticketing"})
        log.append("prediction", {"request_id": "r1", "kind": "failure", "answers": RECORDS})
        log.append("prediction", {"request_id": "r2", "kind": "churn", "answers": [{"id": "C1", "probability": 0.1}]})
        anchor_log(log, workspace.database)
    workspace.database.dispose()
    return workspace.folder


def call(folder: Path, *words: str) -> Result:
    app = typer.Typer()
    app.add_typer(audit.audit, name="audit")
    app.command("other")(lambda: None)
    return CliRunner().invoke(app, ["audit", *words, "-w", str(folder)])


def alter(folder: Path) -> None:
    segment = folder / "audit" / "000001.jsonl"
    whole = segment.read_bytes()
    altered = whole.replace(b'"probability":0.5', b'"probability":0.9')  # a time may have a 0.5 too
    assert altered != whole
    segment.write_bytes(altered)


def test_a_whole_log_is_said_to_be_whole(folder: Path) -> None:
    result = call(folder, "verify")
    assert result.exit_code == 0
    assert result.stdout == (
        "The audit log is whole: 3 entries in 1 segment, anchored up to entry 3.\n"
        f"Its chain is {read_chain(folder / 'audit')}.\n"
    )


def test_a_log_begun_anew_is_an_error_that_names_the_one_that_is_gone(folder: Path) -> None:
    gone = read_chain(folder / "audit")
    shutil.rmtree(folder / "audit")
    workspace = open_workspace(folder)
    with AuditLog(workspace.path("audit"), segment_bytes=10_000) as log:
        log.append("key.created", {"key_id": "3c4d"})
        anchor_log(log, workspace.database)
    workspace.database.dispose()
    result = call(folder, "verify")
    assert isinstance(result.exception, AuditError)
    assert f"{gone} was anchored here" in result.exception.message
    assert f"Its chain is {read_chain(folder / 'audit')}.\n" in result.stdout


def test_a_file_of_the_id_that_holds_none_is_an_error_that_names_the_file(folder: Path) -> None:
    (folder / "audit" / "chain").write_text("none")
    result = call(folder, "verify")
    assert isinstance(result.exception, AuditError)
    assert "chain:1: The id of the audit log" in result.exception.message
    assert "Its chain is" not in result.stdout


def test_an_altered_entry_is_an_error_that_names_its_line(folder: Path) -> None:
    alter(folder)
    result = call(folder, "verify")
    assert isinstance(result.exception, AuditError)
    assert "000001.jsonl:2: The line of entry 2 is not the one that was written" in result.exception.message
    assert "000001.jsonl:2: The line of entry 2" in result.stdout


def test_a_cut_log_is_recognised_by_its_anchors(folder: Path) -> None:
    (folder / "audit" / "000001.jsonl").write_bytes(b"")
    assert "ends with entry 0, but entry 3 was anchored" in str(call(folder, "verify").exception)


def test_findings_are_given_to_machines_too(folder: Path) -> None:
    whole = json.loads(call(folder, "verify", "--json").stdout)
    assert (whole["whole"], whole["entries"], whole["anchored"], whole["findings"]) == (True, 3, 3, [])
    alter(folder)
    result = call(folder, "verify", "--json")
    assert isinstance(result.exception, AuditError)
    (finding,) = json.loads(result.stdout)["findings"]
    assert (finding["kind"], finding["seq"], finding["segment"], finding["line"]) == ("altered", 2, "000001.jsonl", 2)


def test_a_torn_end_is_noted_and_no_error(folder: Path) -> None:
    with (folder / "audit" / "000001.jsonl").open("ab") as file:
        file.write(b'{"entry"')
    result = call(folder, "verify")
    assert result.exit_code == 0
    assert "interrupted" in result.stderr


def test_the_newest_entries_are_listed_first(folder: Path) -> None:
    shown = call(folder, "list", "--last", "2").stdout
    assert shown.index("r2") < shown.index("r1")
    assert "ticketing" not in shown
    assert [entry["seq"] for entry in json.loads(call(folder, "list", "--json").stdout)] == [3, 2, 1]


def test_an_export_is_json_lines_of_one_device(folder: Path) -> None:
    (line,) = call(folder, "export", "--device", "D1").stdout.splitlines()
    assert json.loads(line)["content"]["answers"] == RECORDS[:1]


def test_an_export_goes_to_a_file(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "c1.jsonl"
    result = call(folder, "export", "--customer", "C1", "--out", str(out))
    assert (result.stdout, "1 entry" in result.stderr) == ("", True)
    (line,) = out.read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["seq"] == 3
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["c1.jsonl"]


def test_an_export_needs_one_id(folder: Path, tmp_path: Path) -> None:
    assert isinstance(call(folder, "export").exception, SettingsError)
    assert isinstance(call(folder, "export", "--device", "a", "--customer", "b").exception, SettingsError)


def test_an_export_to_a_folder_that_is_not_there_is_an_error(folder: Path, tmp_path: Path) -> None:
    result = call(folder, "export", "--device", "D1", "--out", str(tmp_path / "none" / "out"))
    assert isinstance(result.exception, SettingsError)
    assert "none" in result.exception.message
