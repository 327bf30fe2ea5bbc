"""Risk lists over HTTP: made once, read as often as wanted, as JSON, CSV and XLSX."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import httpx
import pandas as pd
import pytest
from openpyxl import load_workbook

from aftercast.data.workspace import Workspace
from aftercast.models.lists.risk_list import find_list, make_list
from aftercast.operations.database.risk_lists import list_lists

LISTS = "/v1/risk-lists"
Listening = Callable[[Workspace], AbstractContextManager[str]]
ClientOf = Callable[..., AbstractContextManager[httpx.Client]]


def _made(client: httpx.Client, **body: Any) -> dict[str, Any]:
    answer = client.post(LISTS, json=body)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_list_is_recorded_and_made_again_it_is_the_same(client: httpx.Client, fleet_workspace: Workspace) -> None:
    first, again = (_made(client, horizon="7d", top=10) for _ in range(2))
    recorded = find_list(fleet_workspace, first["list_id"])
    assert first == again
    assert [(row["rank"], row["device_id"], row["probability"]) for row in first["rows"]] == [
        (row.rank, row.device_id, row.probability) for row in recorded.rows
    ]
    assert (len(first["rows"]), first["next_cursor"]) == (10, None)
    assert first["judged"] > 10


def test_a_list_lies_at_the_address_that_is_answered(client: httpx.Client) -> None:
    answer = client.post(LISTS, json={"top": 3})
    assert client.get(answer.headers["Location"]).json() == answer.json()


def test_reading_a_list_changes_nothing(client: httpx.Client, fleet_workspace: Workspace) -> None:
    made = _made(client, top=4)
    before = list_lists(fleet_workspace.database, 10_000)
    for query in ({}, {"limit": 2}, {"format": "csv"}, {"format": "xlsx"}):
        assert client.get(f"{LISTS}/{made['list_id']}", params=query).status_code == 200
    assert list_lists(fleet_workspace.database, 10_000) == before


def test_the_pages_of_a_list_are_the_list(client: httpx.Client) -> None:
    made = _made(client, top=7)
    rows: list[dict[str, Any]] = []
    cursor, pages = None, 0
    while pages == 0 or cursor is not None:
        query = {"limit": 3} | ({} if cursor is None else {"cursor": cursor})
        page = client.get(f"{LISTS}/{made['list_id']}", params=query).json()
        rows, cursor, pages = [*rows, *page["rows"]], page["next_cursor"], pages + 1
    assert (rows, pages) == (made["rows"], 3)


def test_a_cutoff_can_be_named(client: httpx.Client, fleet_workspace: Workspace) -> None:
    made = make_list(fleet_workspace, top=3)
    assert _made(client, cutoff=made.cutoff.isoformat(), top=3)["list_id"] == made.list_id
    elsewhere = made.cutoff.tz_convert("Asia/Shanghai").isoformat()
    assert _made(client, cutoff=elsewhere, top=3)["list_id"] == made.list_id


def test_a_list_of_customers_has_the_risks_of_customers(client: httpx.Client) -> None:
    made = _made(client, kind="churn", top=5)
    asked = {"customers": [{"customer_id": row["customer_id"]} for row in made["rows"]]}
    answered = client.post("/v1/churn-risk", json=asked).json()
    assert made["horizon"] == answered["horizon"] == "30d"
    assert [row["probability"] for row in made["rows"]] == [each["probability"] for each in answered["results"]]
    assert "customer_id" in made["order"]
    header = client.get(f"{LISTS}/{made['list_id']}", params={"format": "csv"}).text.splitlines()[0]
    assert "customer_id" in header
    assert "device" not in header


def test_the_csv_has_the_rows_of_the_json_and_a_byte_order_mark(client: httpx.Client) -> None:
    made = _made(client, top=5)
    answered = client.get(f"{LISTS}/{made['list_id']}", params={"format": "csv"})
    assert answered.content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(answered.content.decode("utf-8-sig"))))
    assert answered.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert f"{made['list_id']}.csv" in answered.headers["Content-Disposition"]
    assert [(row["device_id"], float(row["probability"])) for row in rows] == [
        (row["device_id"], row["probability"]) for row in made["rows"]
    ]


def test_the_workbook_has_the_rows_of_the_json(client: httpx.Client) -> None:
    made = _made(client, top=5)
    answered = client.get(f"{LISTS}/{made['list_id']}", params={"format": "xlsx"})
    assert f"{made['list_id']}.xlsx" in answered.headers["Content-Disposition"]
    sheet = load_workbook(io.BytesIO(answered.content)).active
    assert sheet is not None
    head, *rows = sheet.iter_rows(values_only=True)
    assert [row[head.index("device_id")] for row in rows] == [row["device_id"] for row in made["rows"]]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"horizon": "soon"}, 422, "invalid-request"),
        ({"horizon": "99999d"}, 409, "unknown-horizon"),
        ({"top": 0}, 422, "invalid-request"),
        ({"top": 10_001}, 422, "invalid-request"),
        ({"kind": "weather"}, 422, "invalid-request"),
        ({"cutoff": "yesterday"}, 422, "invalid-request"),
        ({"cutoff": "1990-01-01T00:00:00Z"}, 404, "not-found"),
    ],
)
def test_a_list_that_cannot_be_made_is_refused(
    client: httpx.Client, body: dict[str, str | int], status: int, code: str
) -> None:
    refused = client.post(LISTS, json=body)
    assert (refused.status_code, refused.json()["type"]) == (status, f"/problems/{code}")


def test_a_list_that_nobody_made_is_not_found(client: httpx.Client) -> None:
    refused = client.get(f"{LISTS}/0123456789abcdef")
    assert (refused.status_code, refused.json()["type"]) == (404, "/problems/not-found")


def test_without_a_scoring_there_is_no_list(bare_client: httpx.Client) -> None:
    refused = bare_client.post(LISTS, json={})
    assert refused.status_code == 404
    assert "aftercast score" in refused.json()["hint"]


def test_times_are_utc(client: httpx.Client) -> None:
    assert pd.Timestamp(_made(client, top=1)["cutoff"]).utcoffset() == pd.Timedelta(0)


def test_the_lists_of_a_cutoff_are_limited_and_those_made_before_are_still_read(
    own_fleet: Workspace, listening: Listening, client_of: ClientOf
) -> None:
    """Each is kept for good; a caller may ask for any horizon and length."""
    cutoff = make_list(own_fleet, top=1).cutoff.isoformat()
    before = _rows(own_fleet, cutoff)
    serving = own_fleet.settings.serving.model_copy(update={"max_listed_rows": before + 28})
    small = replace(own_fleet, settings=own_fleet.settings.model_copy(update={"serving": serving}))
    with listening(small) as url, client_of(url, small, "lists") as client:
        found = [client.post(LISTS, json={"horizon": f"{i + 24}h", "top": 10}) for i in range(4)]
        again = client.post(LISTS, json={"horizon": "24h", "top": 10})
        usual = client.post(LISTS, json={})
    assert [each.status_code for each in found] == [201, 201, 409, 409]
    assert found[2].json()["type"] == "/problems/too-many-lists"
    assert again.json() == found[0].json()
    assert usual.status_code == 201


def _rows(workspace: Workspace, cutoff: str) -> int:
    """Rows of the lists of a cutoff; each list counts one more."""
    return sum(
        each["rows"] + 1 for each in list_lists(workspace.database, 10_000) if each["cutoff"] == pd.Timestamp(cutoff)
    )
