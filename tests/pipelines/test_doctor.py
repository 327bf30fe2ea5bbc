"""The doctor: nothing to say of a healthy workspace; each check notices what it is for, and says how to mend it."""

from __future__ import annotations

import json
import re
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import inspect, text

from aftercast.cli.doctor.findings import Finding, guarded
from aftercast.cli.doctor.runner import Line, about, examine, names
from aftercast.cli.main import run
from aftercast.data.workspace import Workspace, create_workspace, write_fleet
from aftercast.models.registry.versions import CHAMPION, client, model_name
from aftercast.models.scoring.snapshot import snapshot_path
from aftercast.operations.database.engine import open_database
from aftercast.operations.database.inbox import REFUSED, InboxBatch, mark_drained, put_batch
from aftercast.operations.database.keys import create_key

GUIDE = Path(__file__).parents[2] / "docs" / "doctor.md"
POSTGRES_AWAY = "postgresql+psycopg://ann:secret@127.0.0.1:1/none"


def _now(workspace: Workspace) -> pd.Timestamp:
    """Instant just after the data of the simulated fleet end."""
    until = workspace.store.observed_until()
    assert until is not None
    return until + pd.Timedelta(hours=1)


def _lines(workspace: Workspace, now: pd.Timestamp | None = None) -> list[Line]:
    return list(examine(workspace.folder, _now(workspace) if now is None else now))


def _said(lines: list[Line], check: str, level: str) -> Finding:
    """The one thing of a level that a check said."""
    (found,) = [line.finding for line in lines if (line.check, line.finding.level) == (check, level)]
    return found


def _set(workspace: Workspace, section: str, **values: object) -> None:
    """Change settings of a workspace in its file."""
    path = workspace.path("aftercast.toml")
    content = path.read_text()
    for name, value in values.items():
        line = f"{name} = {json.dumps(value)}".replace("\\", r"\\")
        start = content.index(f"[{section}]")
        end = content.find("\n[", start + 1)
        part = content[start : end if end > 0 else None]
        assert re.search(rf"^{name} = ", part, re.MULTILINE), name
        content = content.replace(part, re.sub(rf"^{name} = .*$", line, part, flags=re.MULTILINE))
    path.write_text(content)


def test_of_a_healthy_workspace_every_check_says_that_it_is(own_fleet: Workspace) -> None:
    create_key(own_fleet.database, "ticketing")
    own_fleet.audit.append("key.created", {"key_id": "x"})
    own_fleet.audit.close()
    lines = _lines(own_fleet)
    wrong = [line for line in lines if line.finding.level != "ok"]
    assert wrong == []
    assert {line.check for line in lines} == set(names())


def test_it_changes_nothing(own_fleet: Workspace) -> None:
    def shown() -> dict[str, bytes]:
        return {
            str(path.relative_to(own_fleet.folder)): path.read_bytes()
            for path in sorted(own_fleet.folder.rglob("*"))
            if path.is_file() and not re.search(r"\.db(-wal|-shm)?$|\.lock$", path.name)
        }

    create_key(own_fleet.database, "ticketing")
    before = shown()
    _lines(own_fleet)
    assert shown() == before


def test_a_folder_that_is_none_is_told_without_being_made(tmp_path: Path) -> None:
    lines = list(examine(tmp_path / "nowhere"))
    assert "aftercast init" in _said(lines, "folder", "problem").mend
    assert not (tmp_path / "nowhere").exists()


def test_a_new_workspace_is_told_what_comes_next(tmp_path: Path, fleet_workspace: Workspace) -> None:
    made = create_workspace(tmp_path / "new", fleet_workspace.fleet)
    lines = list(examine(made.folder))
    assert "There is no database yet" in _said(lines, "database", "problem").found
    assert "aftercast import" in _said(lines, "database", "problem").mend
    assert "aftercast train failure" in _said(lines, "mlflow", "problem").mend
    assert not made.path("aftercast.db").exists()
    assert not made.path("mlflow.db").exists()


def test_an_empty_store_is_told_by_its_own_check(tmp_path: Path, fleet_workspace: Workspace) -> None:
    made = create_workspace(tmp_path / "new", fleet_workspace.fleet)
    open_database("sqlite:///aftercast.db", made.folder).dispose()
    lines = list(examine(made.folder))
    assert _said(lines, "database", "ok").mend == ""
    assert _said(lines, "store", "problem") == Finding(
        "problem", "The store is empty.", "Run `aftercast import SOURCE PATH`."
    )
    assert _pointing_at_themselves(lines) == []


def test_tables_that_this_database_never_published_are_told(own_fleet: Workspace) -> None:
    now = _now(own_fleet)
    own_fleet.database.dispose()
    _set(own_fleet, "database", address="sqlite:///other.db")
    open_database("sqlite:///other.db", own_fleet.folder).dispose()
    lines = _lines(own_fleet, now)
    said = _said(lines, "store", "problem")
    assert "this database published none: was database.address changed?" in said.found
    assert "docs/deployment.md" in said.mend
    assert _pointing_at_themselves(lines) == []


def test_failures_of_components_that_are_not_listed_are_told(own_fleet: Workspace) -> None:
    fleet = own_fleet.fleet
    counts = own_fleet.store.read("failures")["component"].value_counts()
    gone = str(counts.index[0])
    others = tuple(item for item in fleet.components if item.name != gone)
    write_fleet(own_fleet.path("fleet.toml"), fleet.model_copy(update={"components": others}))
    said = _said(_lines(own_fleet), "unlisted", "warning")
    assert f"'{gone}' ({counts.iloc[0]:,} rows)" in said.found
    assert f'name = "{gone}"' in said.mend


def test_fault_codes_that_are_not_listed_are_told_without_a_warning(own_fleet: Workspace) -> None:
    fleet = own_fleet.fleet
    code = str(own_fleet.store.read("faults")["code"].iloc[0])
    others = tuple(item for item in fleet.fault_codes if item.code != code)
    write_fleet(own_fleet.path("fleet.toml"), fleet.model_copy(update={"fault_codes": others}))
    said = _said(_lines(own_fleet), "unlisted", "ok")
    assert f"'{code}'" in said.found
    assert f'code = "{code}"' in said.mend


def _pointing_at_themselves(lines: list[Line]) -> list[Line]:
    """Lines that send a reader to the check they come from."""
    return [line for line in lines if f"'{line.check}'" in line.finding.mend]


Break = Callable[[Workspace], None]


def _unknown_setting(workspace: Workspace) -> None:
    with workspace.path("aftercast.toml").open("a") as file:
        file.write("\n[serving2]\nhost = 1\n")


def _spoiled_fleet(workspace: Workspace) -> None:
    workspace.path("fleet.toml").write_text("name = 1\n[[[")


def _open_to_all(workspace: Workspace) -> None:
    workspace.folder.chmod(0o777)


def _no_revision(workspace: Workspace) -> None:
    with workspace.database.begin() as connection:
        connection.execute(text("DELETE FROM aftercast_revision"))


def _no_database(workspace: Workspace) -> None:
    workspace.database.dispose()
    _set(workspace, "database", address=POSTGRES_AWAY)


def _no_tables(workspace: Workspace) -> None:
    for path in workspace.path("store").rglob("*.parquet"):
        path.unlink()


def _no_registry(workspace: Workspace) -> None:
    _set(workspace, "mlflow", address="http://127.0.0.1:1")


def _no_champion(workspace: Workspace) -> None:
    client(workspace).delete_registered_model_alias(model_name("failure"), CHAMPION)


def _damaged_rows(workspace: Workspace) -> None:
    snapshot_path(workspace.folder, "failure").write_bytes(b"half")


def _altered_log(workspace: Workspace) -> None:
    for number in range(3):
        workspace.audit.append("key.created", {"key_id": f"{number}"})
    workspace.audit.close()
    (segment,) = workspace.path("audit").glob("*.jsonl")
    segment.write_bytes(segment.read_bytes().replace(b'"key_id":"1"', b'"key_id":"7"'))


def _waiting_inbox(workspace: Workspace) -> None:
    since = _now(workspace) - pd.Timedelta(hours=5)
    put_batch(workspace.database, InboxBatch("b", "faults", ({"code": "E"},), since.as_unit("us"), None, None))


def _silent_issuer(workspace: Workspace) -> None:
    _set(workspace, "tokens", issuer="http://127.0.0.1:1", jwks="no-such-file.json")


def _no_prefect(workspace: Workspace) -> None:
    _set(workspace, "prefect", mode="server", address="http://127.0.0.1:1/api")


@pytest.mark.parametrize(
    ("check", "harm", "found", "mend"),
    [
        ("settings", _unknown_setting, "'serving2', did you mean 'serving'", "Correct"),
        ("fleet", _spoiled_fleet, "fleet.toml", "Correct the line"),
        ("folder", _open_to_all, "Everyone", "chmod"),
        ("database", _no_revision, "0001", "aftercast database upgrade"),
        ("database", _no_database, "cannot be reached", "database.address"),
        ("store", _no_tables, "cannot be read", "backup"),
        ("mlflow", _no_registry, "does not answer", "Start it"),
        ("champion", _no_champion, "No failure model", "aftercast train failure"),
        ("rows", _damaged_rows, "cannot be read", "aftercast score"),
        ("audit", _altered_log, "is not the one that was written", "aftercast audit verify"),
        ("inbox", _waiting_inbox, "5 hours", "aftercast drain"),
        ("tokens", _silent_issuer, "FileNotFoundError", "tokens.jwks"),
        ("prefect", _no_prefect, "does not answer", "Start it"),
    ],
)
def test_each_check_notices_what_it_is_for(
    check: str, harm: Break, found: str, mend: str, own_fleet: Workspace
) -> None:
    now = _now(own_fleet)
    harm(own_fleet)
    lines = _lines(own_fleet, now)
    said = _said(lines, check, "problem")
    assert _pointing_at_themselves(lines) == []
    assert found in said.found
    assert mend in said.mend
    assert "secret" not in said.found + said.mend


def test_refused_batches_are_counted_and_named(own_fleet: Workspace) -> None:
    now = _now(own_fleet)
    for number in range(5):
        put_batch(own_fleet.database, InboxBatch(f"bad{number}", "faults", ({"colour": "red"},), now, None, None))
        mark_drained(own_fleet.database, [f"bad{number}"], REFUSED)
    said = _said(_lines(own_fleet, now), "inbox", "warning")
    assert "5 batches of records could not be read" in said.found
    assert "bad4 (faults), bad3 (faults), bad2 (faults) ..." in said.found
    assert "drain" in said.mend


def test_keys_that_expire_or_may_everything_are_named_by_their_id(own_fleet: Workspace) -> None:
    now = pd.Timestamp.now("UTC")
    soon, _ = create_key(own_fleet.database, "soon", expires_at=now + pd.Timedelta(days=3))
    mighty, secret = create_key(own_fleet.database, "mighty", ("admin",))
    warnings = [
        line.finding for line in _lines(own_fleet, now) if (line.check, line.finding.level) == ("keys", "warning")
    ]
    assert [soon in warnings[0].found, mighty in warnings[1].found] == [True, True]
    assert f"aftercast keys rotate {soon}" in warnings[0].mend
    assert secret.split("_")[2] not in str(warnings)


def test_settings_that_deserve_a_second_look(own_fleet: Workspace) -> None:
    _set(own_fleet, "serving", host="0.0.0.0", rate_limit="")
    warnings = [line.finding for line in _lines(own_fleet) if line.check == "settings" and line.finding.level != "ok"]
    assert ["TLS" in warnings[0].mend, "one caller" in warnings[1].found] == [True, True]


def test_old_data_rows_and_models_are_told(own_fleet: Workspace) -> None:
    lines = _lines(own_fleet, _now(own_fleet) + pd.Timedelta(days=200))
    assert "200 days ago" in _said(lines, "store", "warning").found
    assert {line.finding.level for line in lines if line.check == "champion"} == {"warning"}


def test_data_from_the_future_are_told(own_fleet: Workspace) -> None:
    lines = _lines(own_fleet, _now(own_fleet) - pd.Timedelta(days=9))
    assert "in the future" in _said(lines, "store", "problem").found


def test_a_missing_library_is_named(own_fleet: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    _set(own_fleet, "tracing", address="http://127.0.0.1:1")
    monkeypatch.setitem(__import__("sys").modules, "opentelemetry.sdk", None)
    assert _said(_lines(own_fleet), "libraries", "problem").mend == "Install aftercast[tracing]."


@contextmanager
def _answering(content: bytes) -> Iterator[int]:
    """Server that answers everything with the same; its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def test_something_else_on_the_port_of_the_service_is_told(own_fleet: Workspace) -> None:
    with _answering(b"hello") as port:
        _set(own_fleet, "serving", port=port)
        assert "Something else listens" in _said(_lines(own_fleet), "service", "problem").found


def test_a_service_that_is_not_ready_passes_on_why(own_fleet: Workspace) -> None:
    told = {"status": "not_ready", "models": {"failure": {"reason": "No model. Run it."}}, "database": "away"}
    with _answering(json.dumps(told).encode()) as port:
        _set(own_fleet, "serving", port=port)
        said = [line.finding.found for line in _lines(own_fleet) if line.check == "service"]
    assert said == ["The service is not ready. No model. Run it.", "The service cannot reach its database."]


def test_a_registry_that_takes_connections_and_never_answers_holds_up_nothing(own_fleet: Workspace) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        _set(own_fleet, "mlflow", address=f"http://127.0.0.1:{silent.getsockname()[1]}")
        lines = _lines(own_fleet)
    assert "ReadTimeout" in _said(lines, "mlflow", "problem").found
    assert "See 'mlflow'" in _said(lines, "champion", "warning").mend


def test_an_error_nobody_foresaw_is_a_finding_without_its_text() -> None:
    def fails() -> list[Finding]:
        raise RuntimeError("postgresql://ann:secret@host")

    (found,) = guarded("keys", fails)
    assert found.level == "problem"
    assert re.fullmatch(r"The check itself failed: RuntimeError at test_doctor\.py:\d+\.", found.found)


def test_the_command_ends_with_2_where_there_is_a_problem(
    own_fleet: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    snapshot_path(own_fleet.folder, "failure").write_bytes(b"half")
    with pytest.raises(SystemExit) as ended:
        run(["doctor", "--json", "--workspace", str(own_fleet.folder)])
    told = json.loads(capsys.readouterr().out)
    assert ended.value.code == 2
    assert ("rows", "problem") in {(each["check"], each["level"]) for each in told}


def test_the_guide_has_every_check_in_its_words() -> None:
    guide = GUIDE.read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \|", guide, re.MULTILINE) == names()
    assert [name for name in names() if about(name).rstrip(".") not in guide] == []


def test_a_database_without_a_revision_is_reported_and_not_changed_by_looking(
    tmp_path: Path, fleet_workspace: Workspace
) -> None:
    """Looking must not create the table of revisions either."""
    made = create_workspace(tmp_path / "old", fleet_workspace.fleet)
    engine = open_database("sqlite:///aftercast.db", made.folder)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE aftercast_revision"))
    tables = inspect(engine).get_table_names()
    engine.dispose()
    found = _said(list(examine(made.folder)), "database", "problem")
    assert "aftercast database upgrade" in found.mend
    with closing(sqlite3.connect(made.path("aftercast.db"))) as file:
        kept = file.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        assert sorted(name for (name,) in kept) == sorted(tables)
