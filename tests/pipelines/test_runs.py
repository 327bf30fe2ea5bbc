"""Each key is done once, whatever happens to the runs that do it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from aftercast.data.fleet import FleetSpec
from aftercast.data.workspace import Workspace, create_workspace
from aftercast.operations.database.flow_runs import find_flow_run
from aftercast.operations.errors import InputError, WorkspaceError
from aftercast.pipelines.runs import Done, hash_of_files, run_key, run_once

PATIENCE_S = 60.0


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return create_workspace(tmp_path / "fleet", FleetSpec(name="runs"))


def test_a_finished_key_returns_its_result_without_doing_the_work_again(workspace: Workspace) -> None:
    calls: list[int] = []

    def work() -> dict[str, Any]:
        calls.append(1)
        return {"kept": 0, "share": 0.1}

    assert run_once(workspace, "ingest", "k", work) == Done({"kept": 0, "share": 0.1}, repeated=False)
    assert run_once(workspace, "ingest", "k", work) == Done({"kept": 0, "share": 0.1}, repeated=True)
    assert calls == [1]


def test_an_empty_result_is_a_result(workspace: Workspace) -> None:
    run_once(workspace, "ingest", "k", dict)
    assert run_once(workspace, "ingest", "k", lambda: {"again": True}) == Done({}, repeated=True)


def test_a_run_that_failed_is_done_again(workspace: Workspace) -> None:
    def fail() -> dict[str, Any]:
        raise InputError("The file is broken.")

    with pytest.raises(InputError, match="broken"):
        run_once(workspace, "ingest", "k", fail)
    assert run_once(workspace, "ingest", "k", lambda: {"kept": 3}) == Done({"kept": 3}, repeated=False)
    found = find_flow_run(workspace.database, "ingest", "k")
    assert found is not None
    assert (found.state, found.attempts) == ("finished", 2)


def test_a_run_that_ended_by_an_error_is_told_as_failed_and_done_anew(workspace: Workspace) -> None:
    def fail() -> dict[str, Any]:
        raise InputError("no")

    with pytest.raises(InputError):
        run_once(workspace, "train", "k", fail)
    failed = find_flow_run(workspace.database, "train", "k")
    assert failed is not None
    assert (failed.state, failed.result, failed.finished_at is None) == ("failed", None, False)
    assert run_once(workspace, "train", "k", dict).repeated is False
    done = find_flow_run(workspace.database, "train", "k")
    assert done is not None
    assert (done.state, done.attempts) == ("finished", 2)


def test_keys_and_flows_are_apart(workspace: Workspace) -> None:
    run_once(workspace, "ingest", "k", lambda: {"n": 1})
    assert run_once(workspace, "train", "k", lambda: {"n": 2}).result == {"n": 2}
    assert run_once(workspace, "ingest", "other", lambda: {"n": 3}).result == {"n": 3}


def test_of_concurrent_runs_one_works_and_all_get_its_result(workspace: Workspace) -> None:
    began, go = threading.Event(), threading.Event()
    calls: list[int] = []
    results: list[Done] = []

    def work() -> dict[str, Any]:
        calls.append(1)
        began.set()
        go.wait(PATIENCE_S)
        return {"by": "one"}

    runs = [threading.Thread(target=lambda: results.append(run_once(workspace, "score", "k", work))) for _ in range(4)]
    for run in runs:
        run.start()
    assert began.wait(PATIENCE_S)
    go.set()
    for run in runs:
        run.join(PATIENCE_S)
    assert calls == [1]
    assert sorted(done.repeated for done in results) == [False, True, True, True]
    assert {done.result["by"] for done in results} == {"one"}


def test_waiting_for_another_run_ends_with_an_error_that_says_so(workspace: Workspace) -> None:
    began, go = threading.Event(), threading.Event()

    def work() -> dict[str, Any]:
        began.set()
        go.wait(PATIENCE_S)
        return {}

    other = threading.Thread(target=lambda: run_once(workspace, "score", "k", work))
    other.start()
    began.wait(PATIENCE_S)
    with pytest.raises(WorkspaceError, match="Another run of this score"):
        run_once(workspace, "score", "k", dict, patience_s=0.05)
    go.set()
    other.join(PATIENCE_S)


def test_a_key_depends_on_every_part_and_not_on_their_order() -> None:
    assert run_key(a=1, b=2) == run_key(b=2, a=1)
    assert len({run_key(a=1, b=2), run_key(a=1, b=3), run_key(a=12), run_key(a=1, c=2)}) == 4


def test_the_hash_of_a_folder_follows_names_and_contents(tmp_path: Path) -> None:
    def folder(name: str, **files: str) -> Path:
        place = tmp_path / name
        place.mkdir()
        for file, text in files.items():
            (place / file).write_text(text)
        return place

    first = hash_of_files(folder("a", x="1", y="2"))
    assert hash_of_files(folder("b", y="2", x="1")) == first
    assert hash_of_files(folder("c", x="1", y="3")) != first
    assert hash_of_files(folder("d", x="1", z="2")) != first
    assert hash_of_files(folder("e", x="12")) != first
