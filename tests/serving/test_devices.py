"""One device over HTTP: facts, history in numbers, risk at every horizon."""

from __future__ import annotations

import httpx
import pandas as pd

from aftercast.data.workspace import Workspace
from aftercast.models.lists.risk_list import make_list


def test_a_device_has_its_facts_its_history_and_its_risk(client: httpx.Client, fleet_workspace: Workspace) -> None:
    row = make_list(fleet_workspace, horizon="7d", top=1).rows[0]
    found = client.get(f"/v1/devices/{row.device_id}").json()
    store = fleet_workspace.store
    assert found["facts"]["device_model"] == row.device_model
    assert found["risk_unavailable"] is None
    by_horizon = {each["horizon"]: each["probability"] for each in found["risk"]["horizons"]}
    assert by_horizon["7d"] == row.probability
    assert list(by_horizon.values()) == sorted(by_horizon.values())
    assert found["risk"]["sentence"] == row.sentence
    faults = store.read("faults", device_ids=[row.device_id])
    assert found["history"]["faults"] == len(faults.drop_duplicates(["device_id", "event_time", "code"]))
    assert found["history"]["telemetry"] > 0


def test_a_missing_fact_is_null(client: httpx.Client, fleet_workspace: Workspace) -> None:
    devices = fleet_workspace.store.read("devices").drop_duplicates("device_id", keep="last")
    running = devices.loc[devices["retired_at"].isna(), "device_id"].iloc[0]
    facts = client.get(f"/v1/devices/{running}").json()["facts"]
    assert facts["retired_at"] is None
    assert pd.Timestamp(facts["installed_at"]).utcoffset() == pd.Timedelta(0)


def test_a_retired_device_is_described_and_its_risk_has_a_reason(
    client: httpx.Client, fleet_workspace: Workspace
) -> None:
    cutoff = make_list(fleet_workspace, top=1).cutoff
    devices = fleet_workspace.store.read("devices", known_at=cutoff).drop_duplicates("device_id", keep="last")
    retired = devices.loc[devices["retired_at"] <= cutoff, "device_id"].iloc[0]
    risk = client.get(f"/v1/devices/{retired}").json()["risk"]
    assert risk["horizons"] == []
    assert "retired" in risk["reason"]


def test_an_unknown_device_is_not_found(client: httpx.Client) -> None:
    refused = client.get("/v1/devices/no-such-device")
    assert (refused.status_code, refused.json()["type"]) == (404, "/problems/not-found")
    assert "no-such-device" not in refused.text
