"""The risk list over HTTP: the recorded list, as JSON and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace

import httpx
import pandas as pd
import pytest

from aftercast.data.workspace import Workspace
from aftercast.models.lists.risk_list import find_list, make_list
from aftercast.operations.database.risk_lists import list_lists

Listening = Callable[[Workspace], AbstractContextManager[str]]
ClientOf = Callable[..., AbstractContextManager[httpx.Client]]


def test_the_list_is_the_recorded_one_and_asked_again_the_same(
    client: httpx.Client, fleet_workspace: Workspace
) -> None:
    first, again = (client.get("/v1/risk-list", params={"horizon": "7d", "top": 10}).json() for _ in range(2))
    recorded = find_list(fleet_workspace, first["list_id"])
    assert first == again
    assert [(row["rank"], row["device_id"], row["probability"]) for row in first["rows"]] == [
        (row.rank, row.device_id, row.probability) for row in recorded.rows
    ]
    assert len(first["rows"]) == 10
    assert first["judged"] > 10


def test_a_cutoff_can_be_named(client: httpx.Client, fleet_workspace: Workspace) -> None:
    made = make_list(fleet_workspace, top=3)
    found = client.get("/v1/risk-list", params={"cutoff": made.cutoff.isoformat(), "top": 3})
    assert found.json()["list_id"] == made.list_id


def test_the_csv_has_the_rows_of_the_json(client: httpx.Client) -> None:
    as_json = client.get("/v1/risk-list", params={"top": 5}).json()
    answered = client.get("/v1/risk-list", params={"top": 5, "format": "csv"})
    rows = list(csv.DictReader(io.StringIO(answered.text)))
    assert answered.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert as_json["list_id"] in answered.headers["Content-Disposition"]
    assert [(row["device_id"], float(row["probability"])) for row in rows] == [
        (row["device_id"], row["probability"]) for row in as_json["rows"]
    ]


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({"horizon": "soon"}, 422, "invalid-request"),
        ({"horizon": "99999d"}, 409, "unknown-horizon"),
        ({"top": 0}, 422, "invalid-request"),
        ({"format": "pdf"}, 422, "invalid-request"),
        ({"cutoff": "yesterday"}, 422, "invalid-request"),
        ({"cutoff": "1990-01-01T00:00:00Z"}, 404, "not-found"),
    ],
)
def test_a_list_that_cannot_be_made_is_refused(
    client: httpx.Client, query: dict[str, str | int], status: int, code: str
) -> None:
    refused = client.get("/v1/risk-list", params=query)
    assert (refused.status_code, refused.json()["type"]) == (status, f"urn:aftercast:problem:{code}")


def test_without_a_scoring_there_is_no_list(bare_client: httpx.Client) -> None:
    refused = bare_client.get("/v1/risk-list")
    assert refused.status_code == 404
    assert "aftercast score" in refused.json()["hint"]


def test_times_are_utc(client: httpx.Client) -> None:
    found = client.get("/v1/risk-list", params={"top": 1}).json()
    assert pd.Timestamp(found["cutoff"]).utcoffset() == pd.Timedelta(0)


def test_ever_other_lists_do_not_fill_the_database_and_those_made_before_are_given_out(
    own_fleet: Workspace, listening: Listening, client_of: ClientOf
) -> None:
    """Each is kept for good; a caller may ask for any horizon and length."""
    cutoff = make_list(own_fleet, top=1).cutoff.isoformat()
    before, made = _rows(own_fleet, cutoff), {each["list_id"] for each in list_lists(own_fleet.database, 10_000)}
    serving = own_fleet.settings.serving.model_copy(update={"max_listed_rows": before + 28})
    small = replace(own_fleet, settings=own_fleet.settings.model_copy(update={"serving": serving}))
    with listening(small) as url, client_of(url, small, "lists") as client:
        found = [client.get("/v1/risk-list", params={"horizon": f"{i + 24}h", "top": 10}) for i in range(4)]
        again = client.get("/v1/risk-list", params={"horizon": "24h", "top": 10})
        usual = client.get("/v1/risk-list")
        shorter = client.get("/v1/risk-list", params={"horizon": "30h", "top": 6})
    assert [each.status_code for each in found] == [200, 200, 409, 409]
    assert found[2].json()["type"] == "urn:aftercast:problem:too-many-lists"
    assert (again.json()["list_id"], shorter.status_code) == (found[0].json()["list_id"], 409)
    assert (usual.status_code, found[0].status_code) == (200, 200)  # always, however full it is
    more = 0 if usual.json()["list_id"] in made else len(usual.json()["rows"]) + 1
    assert _rows(own_fleet, cutoff) == before + 22 + more


def _rows(workspace: Workspace, cutoff: str) -> int:
    return sum(each["rows"] + 1 for each in list_lists(workspace.database, 10_000) if each["cutoff"] == cutoff)
