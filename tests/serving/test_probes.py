"""The probes: alive at once, ready only when devices can be judged."""

from __future__ import annotations

import httpx
import pandas as pd

from aftercast.data.workspace import Workspace
from aftercast.models.registry.versions import champion_version


def test_a_service_without_a_model_is_alive_but_not_ready(stranger: httpx.Client) -> None:
    assert stranger.get("/health").json() == {"status": "alive"}
    ready = stranger.get("/ready")
    assert (ready.status_code, ready.json()["status"]) == (503, "not_ready")
    assert "aftercast train failure" in ready.json()["models"]["failure"]["reason"]


def test_a_ready_service_says_its_models_and_the_date_of_the_data(
    client: httpx.Client, fleet_workspace: Workspace
) -> None:
    ready = client.get("/ready", headers={"X-API-Key": ""})
    champion = champion_version(fleet_workspace, "failure")
    assert champion is not None
    assert ready.status_code == 200
    assert ready.json()["models"]["failure"]["version"] == champion.version
    assert ready.json()["models"]["churn"]["reason"] is None
    assert pd.Timestamp(ready.json()["data_as_of"]) == fleet_workspace.store.observed_until()
