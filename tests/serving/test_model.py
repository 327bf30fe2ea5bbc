"""The models over HTTP: which version answers, from what, how good it was beside the baselines."""

from __future__ import annotations

import httpx

from aftercast.data.workspace import Workspace
from aftercast.models.registry.run_metrics import run_metrics
from aftercast.models.registry.versions import load_champion


def test_the_champion_is_described(client: httpx.Client, fleet_workspace: Workspace) -> None:
    champion = load_champion(fleet_workspace, "failure")
    found = next(each for each in client.get("/v1/model").json()["models"] if each["model"]["name"] == "failure")
    assert found["model"] == {"name": "failure", "version": champion.version, "run_id": champion.run_id}
    assert found["horizons"] == list(champion.metadata.horizons)
    assert found["components"] == list(fleet_workspace.fleet.component_names)
    assert found["feature_dictionary"] == champion.metadata.dictionary_hash
    assert found["scored_at"] is not None


def test_metrics_stand_beside_those_of_the_base_rate(client: httpx.Client, fleet_workspace: Workspace) -> None:
    champion = load_champion(fleet_workspace, "failure")
    logged = run_metrics(fleet_workspace, champion.run_id)
    found = next(each for each in client.get("/v1/model").json()["models"] if each["model"]["name"] == "failure")
    assert {
        f"{who}.{name}": value for who, named in found["metrics"].items() for name, value in named.items()
    } == logged
    assert {"model", "base_rate"} <= set(found["metrics"])


def test_a_kind_without_a_model_says_what_to_run(bare_client: httpx.Client) -> None:
    found = bare_client.get("/v1/model").json()
    assert found["models"] == []
    assert "aftercast train churn" in found["missing"]["churn"]
