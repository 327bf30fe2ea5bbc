"""Risk of failure over HTTP: the same numbers as the risk list, and a result of its own for every device."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import httpx
import pandas as pd
import pytest

from aftercast.data.workspace import Workspace
from aftercast.models.lists.risk_list import RiskList, make_list

DAY = pd.Timedelta(days=1)


@pytest.fixture(scope="module")
def made(fleet_workspace: Workspace) -> RiskList:
    """The list of every device at the last scored cutoff."""
    return make_list(fleet_workspace, horizon="7d")


def _ask(client: httpx.Client, ids: list[str], **more: Any) -> dict[str, Any]:
    answered = client.post("/v1/failure-risk", json={"devices": [{"device_id": each} for each in ids], **more})
    assert answered.status_code == 200, answered.text

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    found: dict[str, Any] = json.loads(answered.text, parse_constant=refuse)
    return found


def _probabilities(answered: dict[str, Any]) -> dict[str, float]:
    return {result["device_id"]: result["probability"] for result in answered["results"]}


def test_every_device_has_the_probability_of_the_risk_list(client: httpx.Client, made: RiskList) -> None:
    answered = _ask(client, [row.device_id for row in made.rows], horizon="7d")
    assert _probabilities(answered) == {row.device_id: row.probability for row in made.rows}
    first, row = answered["results"][0], made.rows[0]
    assert (first["sentence"], first["component"], first["evidence"]) == (row.sentence, row.component, row.evidence)
    assert first["components"][row.component] == row.component_probability
    assert first["interval"]["lower"] <= row.probability <= first["interval"]["upper"]
    assert first["remaining_life"]["beyond_days"] == 30
    assert pd.Timestamp(answered["cutoff"]) == made.cutoff
    assert answered["model"]["version"] == made.model_version


def test_an_unknown_device_has_an_error_and_the_others_their_answers(client: httpx.Client, made: RiskList) -> None:
    known = made.rows[0].device_id
    answered = _ask(client, [known, "no such device", known])
    assert [result["status"] for result in answered["results"]] == ["answered", "error", "answered"]
    assert answered["results"][1]["error"]["code"] == "unknown_device"
    assert answered["results"][0] == answered["results"][2]
    assert (answered["answered"], answered["failed"]) == (2, 1)


def test_a_retired_device_has_no_probability_and_the_reason(
    client: httpx.Client, fleet_workspace: Workspace, made: RiskList
) -> None:
    devices = fleet_workspace.store.read("devices", known_at=made.cutoff).drop_duplicates("device_id", keep="last")
    retired = devices.loc[devices["retired_at"] <= made.cutoff, "device_id"]
    (result,) = _ask(client, [retired.iloc[0]])["results"]
    assert (result["status"], result["probability"]) == ("answered", None)
    assert "retired" in result["reason"]


def test_risk_grows_with_the_horizon_and_any_length_is_answered(client: httpx.Client, made: RiskList) -> None:
    lengths = ["1h", "24h", "36h", "3d", "100h", "7d", "8d", "2w"]
    asked = [row.device_id for row in made.rows[:20]]
    answers = [_probabilities(_ask(client, asked, horizon=length, drivers=0)) for length in lengths]
    for shorter, longer in pairwise(answers):
        assert all(shorter[each] <= longer[each] for each in asked)
    assert answers[0] != answers[-1]


@pytest.mark.parametrize("horizon", ["0d", "0.0001h", "-7d", "soon-v3ry", "7", "", "٧d", "1e3d"])
def test_a_horizon_that_is_no_duration_is_refused_and_not_repeated(
    client: httpx.Client, made: RiskList, horizon: str
) -> None:
    body = {"devices": [{"device_id": made.rows[0].device_id}], "horizon": horizon}
    refused = client.post("/v1/failure-risk", json=body)
    assert (refused.status_code, refused.json()["errors"][0]["location"]) == (422, "body.horizon")
    assert "v3ry" not in refused.text


def test_a_horizon_beyond_the_models_longest_is_refused_with_the_longest(client: httpx.Client, made: RiskList) -> None:
    body = {"devices": [{"device_id": made.rows[0].device_id}], "horizon": "99999d"}
    refused = client.post("/v1/failure-risk", json=body)
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/unknown-horizon")
    assert "at most 30d" in refused.json()["hint"]


@pytest.mark.parametrize(("asked", "named"), [(0, 0), (1, 1), (2, 2)])
def test_as_many_drivers_are_named_as_asked(client: httpx.Client, made: RiskList, asked: int, named: int) -> None:
    (result,) = _ask(client, [made.rows[0].device_id], drivers=asked)["results"]
    assert len(result["drivers"]) == named
    assert all(driver["text"] and driver["contribution"] is not None for driver in result["drivers"])


def test_more_devices_than_a_call_may_have_are_refused(client: httpx.Client, fleet_workspace: Workspace) -> None:
    most = fleet_workspace.settings.serving.max_devices
    body = {"devices": [{"device_id": "D"}] * (most + 1)}
    refused = client.post("/v1/failure-risk", json=body)
    assert (refused.status_code, refused.json()["type"]) == (422, "/problems/too-many-devices")
    assert _ask(client, ["no such device"] * most)["failed"] == most
