"""While the registry or the database is away the service goes on with what it has, and says so; then it recovers."""

from __future__ import annotations

import json
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from sqlalchemy import Engine, insert, select

from aftercast.data.workspace import Workspace
from aftercast.models.kind import Gate
from aftercast.models.registry.fallback import find_last_good
from aftercast.models.registry.versions import CHAMPION, Version, client, load_champion, model_name, promote
from aftercast.models.scoring.snapshot import snapshot_path
from aftercast.models.scoring.snapshot_file import load_snapshot
from aftercast.operations.database.keys import create_key
from aftercast.operations.database.tables import METADATA
from aftercast.operations.environment import SERVICE_DEFAULTS
from aftercast.serving.errors import ProblemError
from aftercast.serving.principals import Callers

Listening = Callable[[Workspace], AbstractContextManager[str]]
ClientOf = Callable[..., httpx.Client]
RegisterChanged = Callable[[Workspace, Callable[[Path], None]], Version]
POSTGRES = "postgresql://postgres@127.0.0.1:5432"
PATIENCE_S = 60.0


@pytest.fixture(autouse=True)
def _as_a_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """Libraries have the patience that `aftercast serve` gives them."""
    for name, value in SERVICE_DEFAULTS.items():
        monkeypatch.setenv(name, value)


def _device(workspace: Workspace) -> str:
    return str(load_snapshot(snapshot_path(workspace.folder, "failure")).ids[0])


def _ask(client: httpx.Client, workspace: Workspace) -> dict[str, Any]:
    answered = client.post("/v1/failure-risk", json={"devices": [{"device_id": _device(workspace)}]})
    assert answered.status_code == 200, answered.text
    found: dict[str, Any] = answered.json()
    return found


def _elsewhere(workspace: Workspace, *, mlflow: str) -> Workspace:
    """The workspace with another address of its registry."""
    settings = workspace.settings
    return replace(
        workspace,
        settings=settings.model_copy(update={"mlflow": settings.mlflow.model_copy(update={"address": mlflow})}),
    )


def _ready_when(client: httpx.Client, holds: Callable[[dict[str, Any]], bool]) -> httpx.Response:
    """Readiness once something holds of it, or after a long time."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        found = client.get("/ready")
        if holds(found.json()) or time.monotonic() > deadline:
            return found
        time.sleep(0.05)


@pytest.fixture
def away() -> str:
    """Address where nobody listens."""
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture
def silent() -> Iterator[str]:
    """Address of a server that takes connections and never answers."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("registry", ["away", pytest.param("silent", marks=pytest.mark.slow)])
def test_a_service_started_without_its_registry_answers_with_the_model_of_before(
    registry: str, own_fleet: Workspace, listening: Listening, client_of: ClientOf, request: pytest.FixtureRequest
) -> None:
    with listening(own_fleet) as url, client_of(url, own_fleet, "predict") as asking:
        before = _ask(asking, own_fleet)
    without = _elsewhere(own_fleet, mlflow=request.getfixturevalue(registry))
    with listening(without) as url, client_of(url, without, "predict") as asking:
        ready, after = asking.get("/ready"), _ask(asking, own_fleet)
    model = ready.json()["models"]["failure"]
    assert (ready.status_code, model["version"]) == (200, before["model"]["version"])
    assert "The last look for a newer model or newer rows failed" in model["notice"]
    assert after == before


def test_without_a_model_of_before_a_service_without_its_registry_is_not_ready(
    away: str, own_fleet: Workspace, listening: Listening, client_of: ClientOf
) -> None:
    without = _elsewhere(own_fleet, mlflow=away)
    with listening(without) as url, client_of(url, without, "predict") as asking:
        assert asking.get("/ready").status_code == 503
        asked = asking.post("/v1/failure-risk", json={"devices": [{"device_id": _device(own_fleet)}]})
    assert (asked.status_code, asked.json()["type"]) == (503, "/problems/no-model")


def test_a_registry_that_vanishes_leaves_the_model_and_its_return_ends_the_notice(
    own_fleet: Workspace, listening: Listening, client_of: ClientOf
) -> None:
    file, hidden = own_fleet.path("mlflow.db"), own_fleet.path("hidden")
    with listening(own_fleet) as url, client_of(url, own_fleet, "predict") as asking:
        before = _ask(asking, own_fleet)
        file.rename(hidden)
        told = _ready_when(asking, lambda found: found["models"]["failure"]["notice"] is not None)
        meanwhile = _ask(asking, own_fleet)
        hidden.rename(file)
        back = _ready_when(asking, lambda found: found["models"]["failure"]["notice"] is None)
    assert told.status_code == 200
    assert told.json()["models"]["failure"]["notice"] is not None
    assert meanwhile == before
    assert back.json()["models"]["failure"]["notice"] is None


def test_a_champion_that_is_taken_away_on_purpose_stops_answering(
    own_fleet: Workspace, listening: Listening, client_of: ClientOf
) -> None:
    with listening(own_fleet) as url, client_of(url, own_fleet, "predict") as asking:
        _ask(asking, own_fleet)
        client(own_fleet).delete_registered_model_alias(model_name("failure"), CHAMPION)
        told = _ready_when(asking, lambda found: found["status"] == "not_ready")
    assert told.status_code == 503
    assert "No failure model has been promoted" in told.json()["models"]["failure"]["reason"]


def test_a_champion_that_does_not_fit_the_scored_rows_waits_while_the_one_before_answers(
    own_fleet: Workspace, listening: Listening, client_of: ClientOf, register_changed: RegisterChanged
) -> None:
    def on_other_features(folder: Path) -> None:
        told = json.loads((folder / "metadata.json").read_text())
        (folder / "metadata.json").write_text(json.dumps({**told, "dictionary_hash": "another"}))

    with listening(own_fleet) as url, client_of(url, own_fleet, "predict") as asking:
        before = _ask(asking, own_fleet)
        promote(own_fleet, register_changed(own_fleet, on_other_features), Gate(passed=True, why="asked for."))
        told = _ready_when(asking, lambda found: found["models"]["failure"]["notice"] is not None)
        after = _ask(asking, own_fleet)
    assert (told.status_code, told.json()["models"]["failure"]["version"]) == (200, before["model"]["version"])
    assert "ModelMismatchError" in told.json()["models"]["failure"]["notice"]
    assert after == before


def test_a_kept_model_forecasts_what_the_registered_one_does(
    own_fleet: Workspace, listening: Listening, client_of: ClientOf
) -> None:
    with listening(own_fleet) as url, client_of(url, own_fleet, "predict") as asking:
        _ask(asking, own_fleet)
    good, registered = find_last_good(own_fleet, "failure"), load_champion(own_fleet, "failure")
    rows = load_snapshot(snapshot_path(own_fleet.folder, "failure")).features
    assert good is not None
    assert (good.loaded.version, good.loaded.run_id) == (registered.version, registered.run_id)
    assert good.loaded.metadata == registered.metadata
    ours, theirs = good.loaded.model.predict(rows), registered.model.predict(rows)
    assert (ours.probability == theirs.probability).all()


@pytest.fixture
def on_postgres(own_fleet: Workspace) -> Iterator[Postgres]:
    """The fleet with its operational records in a PostgreSQL database of this test's own."""
    try:
        with psycopg.connect(f"{POSTGRES}/postgres", autocommit=True) as admin:
            name = f"aftercast_{uuid.uuid4().hex[:12]}"
            admin.execute(f"CREATE DATABASE {name}")
            moved = _moved(own_fleet, name)
            try:
                yield Postgres(moved, admin, name)
            finally:
                moved.database.dispose()
                admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    except psycopg.OperationalError:
        pytest.skip(f"no PostgreSQL at {POSTGRES}")


@dataclass
class Postgres:
    """A workspace on PostgreSQL, and the way to take its database away."""

    workspace: Workspace
    admin: psycopg.Connection
    name: str

    def go_away(self) -> None:
        """Refuse new connections and end those there are."""
        self.admin.execute(f"ALTER DATABASE {self.name} ALLOW_CONNECTIONS false")
        self.admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [self.name])

    def come_back(self) -> None:
        """Take connections again."""
        self.admin.execute(f"ALTER DATABASE {self.name} ALLOW_CONNECTIONS true")


def _moved(workspace: Workspace, name: str) -> Workspace:
    """The workspace with its operational records copied to PostgreSQL."""
    settings = workspace.settings
    database = settings.database.model_copy(update={"address": f"postgresql+psycopg{POSTGRES[10:]}/{name}"})
    moved = replace(workspace, settings=settings.model_copy(update={"database": database}))
    with workspace.database.connect() as source, moved.database.begin() as target:
        for table in METADATA.sorted_tables:
            rows = [dict(row) for row in source.execute(select(table)).mappings()]
            if rows:
                target.execute(insert(table), rows)
    return moved


@pytest.mark.service
def test_while_the_database_is_away_ids_are_answered_and_the_rest_is_told_to_come_again(
    on_postgres: Postgres, listening: Listening, client_of: ClientOf
) -> None:
    fleet = on_postgres.workspace
    with listening(fleet) as url, client_of(url, fleet, "admin") as asking:
        before = _ask(asking, fleet)
        on_postgres.go_away()
        meanwhile = _ask(asking, fleet)
        listed = asking.post("/v1/risk-lists", json={})
        record = {"device_id": _device(fleet), "event_time": "2025-01-01T00:00:00Z", "code": "E1"}
        brought = asking.post("/v1/records", json={"table": "faults", "records": [record]})
        told = _ready_when(asking, lambda found: found["database"] == "away")
        figures = asking.get("/metrics")
        on_postgres.come_back()
        back = _ready_when(asking, lambda found: found["database"] == "reachable")
        after = asking.post("/v1/risk-lists", json={})
    assert meanwhile == before
    assert (listed.status_code, listed.json()["type"]) == (503, "/problems/database-unavailable")
    assert (brought.status_code, brought.json()["type"]) == (503, "/problems/database-unavailable")
    assert "nothing was taken" in brought.json()["detail"]
    assert (told.status_code, told.json()["database"]) == (200, "away")
    assert "aftercast_database_up 0.0" in figures.text.splitlines()
    assert "aftercast_devices_silent" in figures.text
    assert (back.status_code, back.json()["database"]) == (200, "reachable")
    assert after.status_code == 201


@pytest.mark.service
def test_whatever_is_presented_as_a_key_the_others_are_checked_as_always(
    on_postgres: Postgres, listening: Listening, client_of: ClientOf
) -> None:
    """A password with a byte that PostgreSQL takes in no text was an error of the database, and keys were not asked."""
    fleet = on_postgres.workspace
    with listening(fleet) as url:
        strange = [httpx.get(f"{url}/docs", auth=("any", each)) for each in ("ac_\0", f"ac_0000000\0_{'0' * 64}")]
        with client_of(url, fleet, "predict") as asking:
            answered = asking.get("/v1/model")
    assert [each.status_code for each in strange] == [401, 401]
    assert answered.status_code == 200


@pytest.mark.service
def test_an_error_of_one_statement_leaves_the_next_key_checked(on_postgres: Postgres) -> None:
    """A statement that the database refuses says nothing of the database, which is asked again at once."""
    database = on_postgres.workspace.database
    (_, first), (_, second) = create_key(database, "first"), create_key(database, "second")
    callers = Callers(lambda: database, clock=lambda: 1000.0)
    _rename(database, "api_keys", "elsewhere")
    with pytest.raises(ProblemError, match="is unavailable"):
        callers.find(first)
    _rename(database, "elsewhere", "api_keys")
    assert callers.find(second) is not None


def _rename(database: Engine, old: str, new: str) -> None:
    with database.begin() as connection:
        connection.exec_driver_sql(f"ALTER TABLE {old} RENAME TO {new}")


@pytest.mark.service
def test_a_service_started_without_its_database_is_ready_but_can_check_no_key(
    on_postgres: Postgres, listening: Listening, client_of: ClientOf
) -> None:
    fleet = on_postgres.workspace
    asking = client_of("http://127.0.0.1", fleet, "predict")
    again = replace(fleet)  # what it had opened is not there after a start
    on_postgres.go_away()
    with listening(again) as url:
        ready = httpx.get(f"{url}/ready")
        refused = httpx.get(f"{url}/v1/model", headers=asking.headers)
        on_postgres.come_back()
        answered = _until_taken(url, asking)
    again.database.dispose()
    assert (ready.status_code, ready.json()["database"], ready.json()["data_as_of"]) == (200, "away", None)
    assert (refused.status_code, refused.json()["type"]) == (503, "/problems/keys-unavailable")
    assert answered.status_code == 200


def _until_taken(url: str, asking: httpx.Client) -> httpx.Response:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        found = httpx.get(f"{url}/v1/model", headers=asking.headers)
        if found.status_code == 200 or time.monotonic() > deadline:
            return found
        time.sleep(0.05)
