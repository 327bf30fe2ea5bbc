"""A kind that exists only in a test, one folder: it is trained, tested, scored, listed, explained and served."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, cast

import httpx
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from aftercast.cli.doctor.checks import champion, rows
from aftercast.cli.doctor.deployment import Deployment
from aftercast.cli.main import run as aftercast
from aftercast.data.ingest import Batch, ingest
from aftercast.data.workspace import Workspace
from aftercast.features.examples import customer_examples
from aftercast.features.labels import load_outcome
from aftercast.models.examples.cases import build_cases
from aftercast.models.hazard.forecast import HazardForecast
from aftercast.models.kind import Reading
from aftercast.models.kinds import hazard_kind, kind_of
from aftercast.models.registry.versions import client, load_champion, promote_by_hand
from aftercast.models.scoring.forecast_store import stored_forecasts
from aftercast.operations.clocks import DAY_US, NEVER, timestamp_us
from aftercast.pipelines.score import run_score
from aftercast.pipelines.train import run_train

SERVICE_HAS_KINDS: Final = True
"""Whether lists and the service take any kind."""
DAY: Final = pd.Timedelta(days=1)
PYFUNC: Final = """
import sys
import mlflow, pandas as pd
from aftercast.models import kinds
folder, address, rows, answers = sys.argv[1:]
kinds.__path__.append(folder)
mlflow.set_tracking_uri(address)
found = mlflow.pyfunc.load_model("models:/aftercast-complaint@champion").predict(pd.read_parquet(rows))
found.to_parquet(answers)
"""
Printed = Callable[..., str]
Find = Callable[[], AbstractContextManager[None]]


@pytest.fixture
def printed(complaint: str, capsys: pytest.CaptureFixture[str]) -> Printed:
    """Run a command and give what it prints; it has to end well, or with the code named."""

    def run(workspace: Workspace | None, *words: str, code: int = 0) -> str:
        capsys.readouterr()
        place = [] if workspace is None else ["-w", str(workspace.folder)]
        with pytest.raises(SystemExit) as ended:
            aftercast([*words, *place])
        told = capsys.readouterr()
        assert ended.value.code == code, told.err
        return told.out if code == 0 else told.err

    return run


@dataclass(frozen=True)
class Complaining:
    """A fleet with a scored champion for complaints, and what the commands on the way printed."""

    workspace: Workspace
    trained: dict[str, Any]
    scored: dict[str, Any]


@pytest.fixture(scope="module")
def made(
    copy_fleet: Callable[[Path], Workspace], tmp_path_factory: pytest.TempPathFactory, find_complaint: Find
) -> Complaining:
    """Train, choose by hand where a fleet so small is no better than its base rate, and score."""
    workspace = copy_fleet(tmp_path_factory.mktemp("complaining") / "fleet")
    with find_complaint():
        settings = kind_of("complaint").settings({"members": "1"}, workspace.fleet)
        trained = run_train(workspace, "complaint", settings=settings).result
        if not trained["champion"]:
            promote_by_hand(workspace, "complaint", trained["version"], even_if_worse=True)
        return Complaining(workspace, trained, run_score(workspace))


@pytest.fixture
def complaining(made: Complaining, complaint: str) -> Complaining:
    """The fleet, for a test that finds the kind and changes nothing of others."""
    del complaint
    return made


def scores(workspace: Workspace) -> list[HazardForecast]:
    return cast("list[HazardForecast]", stored_forecasts(workspace.database, "complaint")[1])


def test_it_is_listed_among_the_kinds_with_what_it_forecasts(printed: Printed) -> None:
    kinds = json.loads(printed(None, "kinds", "--json"))
    assert [each["kind"] for each in kinds] == ["anomaly", "churn", "complaint", "failure", "remaining-life"]
    assert kinds[2] == {
        "kind": "complaint",
        "entity": "customer",
        "shape": "hazard",
        "about": kind_of("complaint").about,
    }
    assert "a customer complains" in printed(None, "kinds")


def test_without_its_folder_there_is_no_such_kind(own_fleet: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        aftercast(["train", "complaint", "-w", str(own_fleet.folder)])
    assert ended.value.code == 2
    assert "not one of anomaly, churn, failure, remaining-life" in " ".join(
        capsys.readouterr().err.replace("│", " ").split()
    )


def test_its_labels_are_the_next_complaint_as_the_store_has_it(fleet_workspace: Workspace, complaint: str) -> None:
    store, spec = fleet_workspace.store, fleet_workspace.fleet
    until = store.observed_until()
    assert until is not None
    outcome = load_outcome(store, spec, known_at=until)
    examples = customer_examples(outcome.customers, np.array([timestamp_us(until) - 60 * DAY_US], dtype=np.int64))
    labels = hazard_kind(complaint).labels(outcome, examples, observed_until=until)
    contacts = store.read("contacts", known_at=until)
    complaints = contacts[(contacts["kind"] == "complaint") & (contacts["event_time"] > until - 60 * DAY)]
    first = complaints.groupby("customer_id")["event_time"].min() - (until - 60 * DAY)
    seen = labels.time_to_event_us[:, 0] != NEVER
    assert set(examples.ids[seen]) == set(first.index) & set(examples.ids) != set()
    for name, time in zip(examples.ids[seen], labels.time_to_event_us[seen, 0], strict=True):
        assert pd.Timedelta(int(time), unit="us") == first[name]


def test_it_is_trained_beside_its_baselines_logged_registered_and_loaded_by_any_tool(
    complaining: Complaining, printed: Printed, tmp_path: Path
) -> None:
    workspace, trained = complaining.workspace, complaining.trained
    words = ["train", "complaint", "--set", "members=1"]
    again = json.loads(printed(workspace, *words, "--json"))
    assert (again["repeated"], again["run_id"]) == (True, trained["run_id"])
    assert f"Complaints within {again['validation_horizon']}" in printed(workspace, *words)
    assert {"model", "base_rate", "logistic"} <= set(trained["metrics"])
    assert trained["failures"]["complaint"] > 0
    run = client(workspace).get_run(trained["run_id"])
    assert (run.data.params["kind"], run.data.params["settings.members"]) == ("complaint", "1")
    assert run.data.metrics["model.brier"] == trained["metrics"]["model"]["brier"]
    assert run.data.tags["aftercast.leakage.stopped"] == "false"
    loaded = load_champion(workspace, "complaint")
    assert (loaded.version, loaded.metadata.horizons) == (trained["version"], ("7d", "30d", "60d"))
    cutoffs = np.array([timestamp_us(scores(workspace)[0].cutoff)], dtype=np.int64)
    cases = build_cases("complaint", workspace.store, workspace.fleet, cutoffs, version=workspace.store.version())
    asked = cases.features.astype(dict.fromkeys(cases.features.select_dtypes("category"), object))
    asked.to_parquet(tmp_path / "rows.parquet")
    answers = tmp_path / "answers.parquet"
    words = [str(Path(__file__).parent), workspace.mlflow_address, str(tmp_path / "rows.parquet"), str(answers)]
    done = subprocess.run([sys.executable, "-c", PYFUNC, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = pd.read_parquet(answers)
    np.testing.assert_array_equal(found["any_30d"], loaded.model.predict(cases.features).any_probability[:, 1])


def test_everyone_is_scored_once_and_explained_in_its_words(complaining: Complaining, printed: Printed) -> None:
    workspace = complaining.workspace
    (run,) = [each for each in complaining.scored["runs"] if each["kind"] == "complaint"]
    found = scores(workspace)
    leaving = stored_forecasts(workspace.database, "churn")[1]
    assert run["scored"] == len(found) > 0
    assert [each.entity_id for each in found] == [each.entity_id for each in leaving]
    assert {each.model_version for each in found} == {complaining.trained["version"]}
    again = json.loads(printed(workspace, "score", "--json"))
    assert all(each["repeated"] for each in again["runs"])
    riskiest = max(found, key=lambda each: each.ranks[-1])
    said = kind_of("complaint").answer(riskiest)
    assert said.sentence.endswith("likelihood that the customer complains within 30 days")
    told = json.loads(printed(workspace, "explain", "complaint", riskiest.entity_id, "--horizon", "30d", "--json"))
    assert (told["customer_id"], told["probability"]) == (riskiest.entity_id, said.values["probability"])
    shown = printed(workspace, "explain", "complaint", riskiest.entity_id)
    assert said.sentence in shown
    assert "Similar past cases" in shown


def test_it_is_tested_on_later_time_and_two_tests_are_compared(
    own_fleet: Workspace, printed: Printed, tmp_path: Path
) -> None:
    until = own_fleet.store.observed_until()
    assert until is not None
    middle, last = (f"{until - days * DAY:%Y-%m-%d}" for days in (60, 31))
    period = ["--train-until", middle, "--test-from", middle, "--test-until", last, "--every", "7d"]
    report, kept = tmp_path / "report.json", tmp_path / "rows.parquet"
    files = ["--json", str(report), "--html", str(tmp_path / "page.html"), "--forecasts", str(kept)]
    shown = printed(own_fleet, "backtest", "complaint", *period, *files, "--draws", "20", "--set", "members=1")
    assert "base_rate" in shown
    told = json.loads(report.read_text(encoding="utf-8"))
    assert (told["kind"], told["horizon"]) == ("complaint", "30d")
    assert set(pq.read_table(kept).to_pandas()["component"]) == {"complaint", "all"}
    compared = printed(None, "compare", "complaint", f"{kept}:base_rate", str(kept), "--draws", "20", "--json")
    assert set(json.loads(compared)["verdicts"]) >= {"all"}
    refused = printed(own_fleet, "backtest", "complaint", "--train-until", middle, code=2)
    assert "needs --test-from, --test-until" in refused


def test_status_and_doctor_know_it(complaining: Complaining, printed: Printed) -> None:
    workspace, version = complaining.workspace, complaining.trained["version"]
    told = json.loads(printed(workspace, "status", "--json"))
    assert told["models"]["complaint"]["version"] == version
    assert told["forecasts"]["complaint"]["size"] == len(scores(workspace))
    shown = printed(workspace, "status")
    assert f"Champion for complaint: version {version}" in shown
    deployment = Deployment(workspace.folder, now=workspace.store.observed_until())
    try:
        champions = [each.found for each in champion.check(deployment)]
        online = [(each.level, each.found) for each in rows.check(deployment) if "complaint" in each.found]
    finally:
        deployment.close()
    assert any(f"Version {version} for complaint can be loaded." in each for each in champions)
    assert [level for level, _ in online] == ["ok"]


@pytest.mark.skipif(not SERVICE_HAS_KINDS, reason="lists take one kind")
def test_the_risk_list_ranks_those_who_complain(complaining: Complaining, printed: Printed) -> None:
    workspace = complaining.workspace
    told = json.loads(printed(workspace, "risk-list", "--kind", "complaint", "--horizon", "30d", "--json"))
    kind = kind_of("complaint")
    expected = {each.entity_id: kind.answer(each, "30d").values["probability"] for each in scores(workspace)}
    listed = told["rows"]
    assert {row["customer_id"]: row["probability"] for row in listed} == expected
    assert [row["probability"] for row in listed] == sorted(expected.values(), reverse=True)
    assert "complains within 30 days" in listed[0]["sentence"]


@pytest.mark.skipif(not SERVICE_HAS_KINDS, reason="the service answers two kinds")
def test_the_service_answers_it_like_the_batch(
    complaining: Complaining,
    listening: Callable[[Workspace], AbstractContextManager[str]],
    client_of: Callable[..., httpx.Client],
) -> None:
    workspace = complaining.workspace
    found = scores(workspace)
    body = {"customers": [{"customer_id": each.entity_id} for each in found], "horizon": "30d"}
    with listening(workspace) as url, client_of(url, workspace, "predict") as asking:
        answered = asking.post("/v1/complaint", json=body).json()
    kind = kind_of("complaint")
    expected = {each.entity_id: kind.answer(each, "30d").values["probability"] for each in found}
    assert {result["customer_id"]: result["probability"] for result in answered["results"]} == expected
    assert answered["model"]["name"] == "complaint"
    assert "complains within 30 days" in answered["results"][0]["sentence"]


def test_what_is_known_later_changes_no_forecast_of_it(complaining: Complaining, own_fleet: Workspace) -> None:
    loaded, before = load_champion(complaining.workspace, "complaint"), scores(complaining.workspace)
    cutoff = before[0].cutoff
    contacts = own_fleet.store.read("contacts", known_at=cutoff)
    later = contacts.head(5).assign(kind="complaint", available_at=cutoff + DAY)
    ingest(own_fleet.store, [Batch("contacts", later, "later")], own_fleet.fleet, origin="later")
    version = own_fleet.store.version()
    after = hazard_kind("complaint").score(loaded, Reading(own_fleet.store, own_fleet.fleet, version, cutoff))
    assert list(map(repr, after.forecasts)) == [repr(replace(each, data_version=version)) for each in before]
