"""Show, withdraw, forget and vacuum as people call them: what is stored, taken back, and left on the disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests.data.test_vacuum import found_in
from tests.e2e.test_bad_input import SPEC, good_tables
from typer.testing import CliRunner, Result

from aftercast.cli.doctor.runner import examine
from aftercast.cli.main import app
from aftercast.data.fleet import TableSettings
from aftercast.data.workspace import Workspace, create_workspace
from aftercast.operations.audit import AuditLog
from aftercast.operations.database.audit_anchors import read_anchors, write_anchor
from aftercast.operations.database.forecasts import ForecastSet, newest_set, write_set
from aftercast.operations.database.inbox import InboxBatch, find_batch, put_batch
from aftercast.operations.database.retention import remove_old, shrink
from aftercast.operations.database.risk_lists import list_lists, read_list, write_list
from aftercast.operations.errors import InputError, NotFoundError
from aftercast.operations.settings import RetentionSettings
from aftercast.pipelines.drain import run_drain
from aftercast.pipelines.vacuum import run_forget, run_vacuum

SECRET = "Zebrafinch7"
FUTURE = pd.Timestamp.now("UTC").as_unit("us") + pd.Timedelta(days=5000)
FACT = ("failures", "D0", "2025-01-21T00:00:00+00:00", "pump")


def call(workspace: Workspace, *words: str) -> Result:
    return CliRunner().invoke(app, [*words, "-w", str(workspace.folder)], env={"COLUMNS": "200"})


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Three devices, one failure, and a fourth that came over HTTP: it is on a list, has a forecast and a refusal."""
    made = create_workspace(tmp_path / "fleet", SPEC)
    assert call(made, "import", "tables", str(good_tables(tmp_path / "tables"))).exit_code == 0
    since = "2025-01-01T00:00:00+00:00"
    device = {"device_id": SECRET, "device_model": "M", "installed_at": since, "available_at": since, "lot": "ä"}
    fault = {"device_id": SECRET, "event_time": None, "code": "E1", "available_at": since}
    sent: list[tuple[str, dict[str, Any]]] = [("devices", device), ("faults", fault)]
    for number, (table, record) in enumerate(sent):
        put_batch(made.database, InboxBatch(f"b{number}", table, (record,), pd.Timestamp.now("UTC").as_unit("us")))
    run_drain(made)
    cutoff = pd.Timestamp("2025-02-01", tz="UTC")
    write_set(
        made.database,
        ForecastSet("failure", cutoff, "1", 1, ("7d",), ("pump",)),
        [(SECRET, [0.5], {"words": f"{SECRET} fails"}), ("D0", [0.1], {"words": "D0"})],
    )
    rows = [{"device_id": SECRET, "sentence": f"visit {SECRET}"}, {"device_id": "D0", "sentence": "wait"}]
    write_list(made.database, "l1", {"cutoff": cutoff.isoformat(), "horizon": "7d", "rows": rows})
    return made


def test_show_has_every_row_as_known_then_and_where_it_came_from(workspace: Workspace) -> None:
    found = json.loads(call(workspace, "show", "D0", "--json").stdout)
    assert {name: len(rows) for name, rows in found["tables"].items()} == {"devices": 1, "telemetry": 40, "failures": 1}
    times = [row["event_time"] for row in found["tables"]["telemetry"]]
    assert times == sorted(times, reverse=True)
    assert found["tables"]["failures"][0]["from"] == "tables:tables"
    assert [each["kind"] for each in found["forecasts"]] == ["failure"]
    early = json.loads(call(workspace, "show", "D0", "--at", "2025-01-10", "--json").stdout)
    assert {name: len(rows) for name, rows in early["tables"].items()} == {"devices": 1, "telemetry": 10}
    shown = call(workspace, "show", "D0").stdout
    assert "telemetry: 40 rows" in shown
    assert "pump" in shown
    assert isinstance(call(workspace, "show", "nobody").exception, NotFoundError)
    assert "devices" in json.loads(call(workspace, "show", "C1", "--json").stdout)["tables"]


def test_withdraw_takes_a_fact_back_once_and_names_what_it_does_not_find(workspace: Workspace) -> None:
    assert "Taken back" in call(workspace, "withdraw", *FACT, "--reason", "wrong device").stdout
    assert "failures" not in json.loads(call(workspace, "show", "D0", "--json").stdout)["tables"]
    before = json.loads(call(workspace, "show", "D0", "--at", "2025-02-01", "--json").stdout)
    assert "failures" in before["tables"]
    assert "taken back before" in call(workspace, "withdraw", *FACT, "--reason", "again").stdout
    other = call(workspace, "withdraw", "failures", "D9", *FACT[2:], "--reason", "x")
    assert isinstance(other.exception, NotFoundError)
    assert isinstance(call(workspace, "withdraw", "failure", "D0", "--reason", "x").exception, InputError)
    short = call(workspace, "withdraw", "failures", "D0", "--reason", "x").exception
    assert isinstance(short, InputError)
    assert "device_id and event_time and component" in short.message


def test_nothing_of_a_forgotten_device_is_in_any_file_of_the_workspace(workspace: Workspace) -> None:
    assert {path.split("/")[0] for path in found_in(workspace.folder, SECRET)} >= {"store"}
    result = call(workspace, "forget", SECRET, "--yes")
    assert result.exit_code == 0, result.output
    assert "devices: 1 row removed" in result.stdout
    assert found_in(workspace.folder, SECRET) == []
    kept = read_list(workspace.database, "l1")
    assert [row["device_id"] for row in kept["rows"]] == ["D0"]
    assert newest_set(workspace.database, "failure") is not None
    assert len(workspace.store.read("devices")) == 3
    with pytest.raises(NotFoundError, match="Nothing is stored"):
        run_forget(workspace, SECRET)
    assert isinstance(workspace.audit, AuditLog)


def test_forget_asks_first(workspace: Workspace) -> None:
    assert call(workspace, "forget", SECRET).exit_code == 1
    assert len(workspace.store.read("devices")) == 4


def test_a_vacuum_keeps_to_the_settings_and_a_dry_run_changes_nothing(workspace: Workspace) -> None:
    spec = SPEC.model_copy(update={"tables": {"telemetry": TableSettings(keep="365d")}})
    place = Workspace(workspace.folder, workspace.settings, spec)
    dry = run_vacuum(place, now=FUTURE, dry_run=True)
    assert dry["tables"]["telemetry"]["rows"] == 120
    assert dry["database"].keys() == {"inbox", "logs"}
    assert len(place.store.read("telemetry")) == 120
    done = run_vacuum(place, now=FUTURE)
    assert (done["tables"].keys(), done["database"]) == (dry["tables"].keys(), dry["database"])
    assert len(place.store.read("telemetry")) == 0
    assert find_batch(place.database, "b0") is None
    assert len(list_lists(place.database)) == 1
    assert run_vacuum(place, now=FUTURE)["tables"] == {}
    assert call(workspace, "vacuum", "--dry-run").stdout.strip() == "There is nothing to remove."


def test_doctor_says_when_a_vacuum_is_due(workspace: Workspace) -> None:
    def said(now: pd.Timestamp | None) -> str:
        return next(line.finding.found for line in examine(workspace.folder, now) if line.check == "retention")

    assert said(None) == "Nothing is kept longer than the settings say."
    call(workspace, "withdraw", *FACT, "--reason", "wrong device")
    assert "1 of withdrawn facts" in said(None)
    assert "of inbox" in said(FUTURE)


def test_old_anchors_are_thinned_to_the_last_of_each_day(workspace: Workspace) -> None:
    for number in range(1, 5):
        write_anchor(workspace.database, "c", number, str(number))
    kept = RetentionSettings(anchors="1d")
    assert remove_old(workspace.database, kept, FUTURE, dry_run=True)["anchors"] >= 3
    assert remove_old(workspace.database, kept, FUTURE)["anchors"] >= 3
    assert [anchor.seq for anchor in read_anchors(workspace.database, "c", 9)] == [4]
    shrink(workspace.database)


@pytest.mark.parametrize("wrong", ["soon", "-3d", "0d"])
def test_a_span_that_is_none_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="for ever"):
        RetentionSettings(inbox=wrong)
