"""Metrics: true, counted over all workers, named in the guide, and of nobody in particular."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from aftercast.data.workspace import Workspace
from aftercast.models.registry.versions import champion_version
from aftercast.models.scoring.snapshot import snapshot_path
from aftercast.models.scoring.snapshot_file import load_snapshot
from aftercast.operations.database.inbox import InboxBatch, put_batch
from aftercast.operations.database.keys import create_key
from aftercast.serving.metrics.catalogue import CATALOGUE, Family

GUIDE = Path(__file__).parents[2] / "docs" / "monitoring.md"
PATIENCE_S = 180.0
Listening = Callable[[Workspace], AbstractContextManager[str]]
ClientOf = Callable[..., httpx.Client]


def _samples(client: httpx.Client) -> list[Sample]:
    answered = client.get("/metrics")
    assert answered.status_code == 200, answered.text
    return [each for family in text_string_to_metric_families(answered.text) for each in family.samples]


def _value(samples: list[Sample], name: str, **labels: str) -> float | None:
    """Value of a sample, the sum where several have the labels; None where none has."""
    found = [each.value for each in samples if each.name == name and labels.items() <= each.labels.items()]
    return sum(found) if found else None


@pytest.fixture
def scraping(own_fleet: Workspace, listening: Listening, client_of: ClientOf) -> Iterator[httpx.Client]:
    """Client with every scope, of a service on a workspace of this test's own."""
    with listening(own_fleet) as url, client_of(url, own_fleet, "admin") as client:
        yield client


def test_requests_are_counted_by_route_method_and_status(scraping: httpx.Client, own_fleet: Workspace) -> None:
    device_id = str(load_snapshot(snapshot_path(own_fleet.folder, "failure")).ids[0])
    before = _samples(scraping)
    bodies: list[dict[str, Any]] = [{"devices": [{"device_id": device_id}, {"device_id": "nobody"}]}]
    for body in (*bodies, {"devices": []}, {"wrong": 1}):
        scraping.post("/v1/failure-risk", json=body)
    scraping.get(f"/v1/devices/{device_id}")
    scraping.get("/nowhere", headers={"X-API-Key": "ac_00000000_wrong"})
    after = _samples(scraping)

    def more(name: str, **labels: str) -> float:
        return (_value(after, name, **labels) or 0) - (_value(before, name, **labels) or 0)

    counted = "aftercast_http_request_duration_seconds_count"
    assert more(counted, route="/v1/failure-risk", method="POST", status="2xx") == 1
    assert more(counted, route="/v1/failure-risk", method="POST", status="4xx") == 2
    assert more(counted, route="/v1/devices/{device_id:path}", method="GET", status="2xx") == 1
    assert more(counted, route="none", method="GET", status="4xx") == 1
    assert more("aftercast_http_refusals_total", code="invalid-request") == 2
    assert more("aftercast_http_refusals_total", code="unauthenticated") == 1
    assert more("aftercast_records_answered_total", kind="failure") == 1
    assert more("aftercast_records_failed_total", kind="failure", code="unknown_device") == 1
    assert _value(after, "aftercast_http_requests_in_flight") == 1
    assert device_id not in scraping.get("/metrics").text


def test_models_rows_devices_data_inbox_and_audit_are_as_they_are(scraping: httpx.Client, own_fleet: Workspace) -> None:
    rows = load_snapshot(snapshot_path(own_fleet.folder, "failure"))
    now = pd.Timestamp.now("UTC").as_unit("us")
    record = {"device_id": str(rows.ids[0]), "event_time": "2025-01-01T00:00:00Z", "code": "E1"}
    put_batch(own_fleet.database, InboxBatch("waits", "faults", (record, record), now, None, None))
    samples = _samples(scraping)
    champion = champion_version(own_fleet, "failure")
    assert champion is not None
    labels = {"version": champion.version, "run_id": champion.run_id}
    assert _value(samples, "aftercast_model_info", kind="failure", **labels) == 1
    age = _value(samples, "aftercast_rows_age_seconds", kind="failure")
    assert age == pytest.approx((now - rows.cutoff).total_seconds(), abs=PATIENCE_S)
    assert _value(samples, "aftercast_devices") == len(rows.ids)
    silent = [int(each) < rows.cutoff.value // 1000 - 24 * 3600 * 10**6 for each in rows.data_as_of]
    assert _value(samples, "aftercast_devices_silent") == sum(silent)
    assert _value(samples, "aftercast_database_up") == 1
    assert _value(samples, "aftercast_inbox_waiting_batches") == 1
    assert _value(samples, "aftercast_inbox_waiting_rows") == 2
    assert _value(samples, "aftercast_audit_entries_total") == own_fleet.audit.position().seq
    assert _value(samples, "aftercast_registry_failing", kind="failure") == 0
    until = own_fleet.store.observed_until()
    assert until is not None
    known = _value(samples, "aftercast_data_age_seconds")
    assert known == pytest.approx((now - until).total_seconds(), abs=PATIENCE_S)


def test_a_registry_that_fails_is_told(scraping: httpx.Client, own_fleet: Workspace) -> None:
    own_fleet.path("mlflow.db").rename(own_fleet.path("hidden"))
    deadline = time.monotonic() + PATIENCE_S
    while _value(_samples(scraping), "aftercast_registry_failing", kind="failure") != 1:
        assert time.monotonic() < deadline, "the failure was never told"


def test_a_key_without_the_scope_may_not_read_them(
    bare_url: str, bare_workspace: Workspace, client_of: ClientOf
) -> None:
    with client_of(bare_url, bare_workspace, "predict", "lists") as asker:
        assert asker.get("/metrics").status_code == 403
    with client_of(bare_url, bare_workspace, "metrics") as scraper:
        assert scraper.get("/metrics").status_code == 200
        assert scraper.get("/v1/model").status_code == 403


def test_what_is_not_known_is_absent_and_not_zero(bare_client: httpx.Client) -> None:
    names = {each.name for each in _samples(bare_client)}
    assert names.isdisjoint({"aftercast_model_age_seconds", "aftercast_data_age_seconds", "aftercast_devices_silent"})
    assert {"aftercast_database_up", "aftercast_workers", "process_resident_memory_bytes"} <= names


def test_a_service_whose_database_is_away_is_ready_and_says_why_it_cannot_check_who_scrapes(
    own_fleet: Workspace, listening: Listening
) -> None:
    away = own_fleet.settings.database.model_copy(update={"address": "postgresql+psycopg://nobody@127.0.0.1:1/none"})
    gone = replace(own_fleet, settings=own_fleet.settings.model_copy(update={"database": away}))
    with listening(gone) as url:
        ready = httpx.get(f"{url}/ready")
        refused = httpx.get(f"{url}/metrics", headers={"X-API-Key": "ac_00000000_" + "0" * 64})
    assert (ready.status_code, ready.json()["database"]) == (200, "away")
    assert refused.json()["type"] == "/problems/keys-unavailable"


def test_openmetrics_is_told_to_who_accepts_it(bare_client: httpx.Client) -> None:
    answered = bare_client.get("/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0"})
    assert answered.headers["Content-Type"].startswith("application/openmetrics-text")
    families = {each.name for each in openmetrics_families(answered.text)}  # type: ignore[no-untyped-call]
    assert {"aftercast_workers", "aftercast_http_request_duration_seconds"} <= families


@contextmanager
def _serving(workspace: Workspace, log: Path, *options: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    command = [sys.executable, "-m", "aftercast.cli.main", "serve", "--port", "0", *options]
    with log.open("wb") as out:
        process = subprocess.Popen([*command, "-w", str(workspace.folder)], stderr=out, env=dict(os.environ))
    try:
        _wait_until(lambda: len(re.findall("takes requests", log.read_text())) == int(options[-1]))
        found = re.search(r"http://127\.0\.0\.1:\d+", log.read_text())
        assert found is not None
        yield process, found[0]
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


@pytest.mark.slow
def test_whichever_worker_is_scraped_the_counts_are_those_of_all(bare_workspace: Workspace, tmp_path: Path) -> None:
    """New connections reach both workers; a worker that dies takes none of its counts along, and is counted no more."""
    _, key = create_key(bare_workspace.database, "workers", ("admin",))
    log = tmp_path / "service.log"
    with _serving(bare_workspace, log, "--workers", "2") as (_, url):
        for _ in range(40):
            httpx.get(f"{url}/v1/model", headers={"X-API-Key": key})
        seen = [_scrape(url, key) for _ in range(12)]
        os.kill(int(re.findall(r"Started server process \[(\d+)\]", log.read_text())[0]), signal.SIGKILL)
        _wait_until(lambda: len(re.findall("takes requests", log.read_text())) == 3)
        last = _scrape(url, key)
    name = "aftercast_http_request_duration_seconds_count"
    assert {_value(each, "aftercast_workers") for each in [*seen, last]} == {2.0}
    assert {_value(each, name, route="/v1/model") for each in [*seen, last]} == {40.0}


def _wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, "what was waited for did not come"
        time.sleep(0.1)


def _scrape(url: str, key: str) -> list[Sample]:
    """Scrape over a connection of its own, so that either worker may answer."""
    with httpx.Client(base_url=url, headers={"X-API-Key": key}, transport=httpx.HTTPTransport(retries=20)) as client:
        return _samples(client)


def _listed(family: Family) -> str:
    labels = ", ".join(f"`{each}`" for each in family.labels)
    return f"| `{family.name}` | {family.kind} | {labels} |"


def test_every_metric_is_in_the_guide_with_its_kind_and_labels() -> None:
    guide = GUIDE.read_text(encoding="utf-8")
    assert [family.name for family in CATALOGUE.values() if _listed(family) not in guide] == []
    assert set(re.findall(r"^\| `(\w+)` \|", guide, re.MULTILINE)) == {each.name for each in CATALOGUE.values()}


def test_every_metric_that_is_told_is_in_the_catalogue(client: httpx.Client) -> None:
    told = {family.name for family in text_string_to_metric_families(client.get("/metrics").text)}
    assert told <= {each.stem for each in CATALOGUE.values()}
