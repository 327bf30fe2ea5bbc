"""Traces: spans of requests and their steps reach a collector, hold nothing that was asked, and hold nobody up."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from aftercast.data.workspace import Workspace
from aftercast.models.scoring.snapshot import snapshot_path
from aftercast.models.scoring.snapshot_file import load_snapshot
from aftercast.operations.errors import SettingsError
from aftercast.operations.settings import TracingSettings
from aftercast.serving.tracing import collector_of, step

Listening = Callable[[Workspace], AbstractContextManager[str]]
ClientOf = Callable[..., httpx.Client]
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Receiver(ThreadingHTTPServer):
    """A collector: takes OTLP over HTTP, and keeps it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.paths: list[str] = []
        self.bodies: list[bytes] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def spans(self) -> list[Span]:
        found = [ExportTraceServiceRequest.FromString(body) for body in self.bodies]
        return [
            span
            for each in found
            for resource in each.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.paths.append(self.path)
        if self.path == "/v1/traces":
            self.server.bodies.append(body)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def _traced(workspace: Workspace, address: str) -> Workspace:
    settings = workspace.settings.model_copy(update={"tracing": TracingSettings(address=address)})
    return replace(workspace, settings=settings)


def _attributes(span: Span) -> dict[str, str | int]:
    return {each.key: each.value.string_value or each.value.int_value for each in span.attributes}


def test_requests_and_their_steps_are_spans_without_what_was_asked(
    own_fleet: Workspace, listening: Listening, client_of: ClientOf, receiver: Receiver
) -> None:
    rows = load_snapshot(snapshot_path(own_fleet.folder, "failure"))
    device_id, fault = str(rows.ids[0]), {"event_time": rows.cutoff.isoformat(), "code": "E-SECRET"}
    body = {"devices": [{"device_id": device_id, "faults": [fault]}]}
    traced = _traced(own_fleet, receiver.address)
    with listening(traced) as url, client_of(url, traced, "predict") as asking:
        asked = asking.post("/v1/failure-risk", json=body, headers={"traceparent": PARENT, "X-Request-ID": "traced-1"})
        asking.get(f"/v1/devices/{device_id}", headers={"X-Request-ID": "traced-2"})
        key = asking.headers["X-API-Key"]
    assert asked.status_code == 200
    by_id = {_attributes(span).get("aftercast.request_id"): span for span in receiver.spans}
    question, device = by_id["traced-1"], by_id["traced-2"]
    assert question.name == "POST /v1/failure-risk"
    assert _attributes(question)["http.response.status_code"] == 200
    assert question.trace_id.hex() == PARENT.split("-")[1]
    assert question.parent_span_id.hex() == PARENT.split("-")[2]
    assert device.name == "GET /v1/devices/{device_id:path}"
    assert device.trace_id != question.trace_id
    steps = {span.name: span for span in receiver.spans if span.parent_span_id == question.span_id}
    assert set(steps) == {"features", "model"}
    assert all(question.start_time_unix_nano <= each.start_time_unix_nano for each in steps.values())
    sent = b"".join(receiver.bodies)
    for secret in (device_id, "E-SECRET", key, key.split("_")[2]):
        assert secret.encode() not in sent


def test_a_failed_request_is_a_failed_span(
    own_fleet: Workspace, listening: Listening, client_of: ClientOf, receiver: Receiver
) -> None:
    own_fleet.path("mlflow.db").unlink()
    traced = _traced(own_fleet, receiver.address)
    with listening(traced) as url, client_of(url, traced, "predict") as asking:
        refused = asking.post("/v1/failure-risk", json={"devices": [{"device_id": "D1"}]})
    (span,) = [each for each in receiver.spans if each.name == "POST /v1/failure-risk"]
    assert (refused.status_code, _attributes(span)["http.response.status_code"]) == (503, 503)
    assert span.status.code == 2


def test_the_framework_sends_nothing_of_its_own_whatever_the_environment_says(
    own_fleet: Workspace, listening: Listening, client_of: ClientOf, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its spans, figures and log records hold whole paths, which name devices."""
    monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.address)
    with listening(own_fleet) as url, client_of(url, own_fleet, "predict") as asking:
        assert asking.get("/v1/devices/D1").status_code in {200, 404}
    assert receiver.paths == []


@pytest.mark.parametrize("address", ["http://127.0.0.1:1", "silent"])
def test_while_the_collector_is_away_requests_are_answered_and_the_service_stops(
    address: str, own_fleet: Workspace, listening: Listening, client_of: ClientOf, receiver: Receiver
) -> None:
    """A silent one takes connections, and answers nothing until it is shut down."""
    if address == "silent":
        receiver.shutdown()
    traced = _traced(own_fleet, receiver.address if address == "silent" else address)
    before = _services()
    with listening(traced) as url, client_of(url, traced, "predict") as asking:
        statuses = {asking.get("/v1/model").status_code for _ in range(50)}
    assert statuses == {200}
    assert _services() == before


def _services() -> int:
    """How many services run in this process; other fixtures keep theirs."""
    return sum(thread.name == "service under test" for thread in threading.enumerate())


def test_without_an_address_nothing_is_loaded_and_a_step_is_nothing() -> None:
    assert collector_of(TracingSettings()) is None
    assert step("features") is step("model")
    script = "import sys, aftercast.serving.app as app; print('aftercast.serving.collector' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert shown.stdout == "False\n"


def test_an_address_without_the_extra_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace.export", None)
    monkeypatch.delitem(sys.modules, "aftercast.serving.collector", raising=False)
    with pytest.raises(SettingsError, match="OpenTelemetry is not installed") as refused:
        collector_of(TracingSettings(address="http://127.0.0.1:1"))
    assert "aftercast[tracing]" in refused.value.hint
