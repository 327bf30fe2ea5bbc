"""A simulated fleet through every command a user types, to one HTTP answer that equals the list."""

from __future__ import annotations

import csv
import io
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from aftercast.cli.main import run

COMMAND = (sys.executable, "-m", "aftercast.cli.main")
PATIENCE_S = 90.0


def worked(*words: str | Path) -> str:
    """What a command prints that ends well, run in this process."""
    printed = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with redirect_stdout(printed), pytest.raises(SystemExit) as ended:
        run([str(word) for word in words])
    assert not ended.value.code
    printed.seek(0)
    return printed.read()


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chain") / "fleet"
    worked("init", folder)
    worked("simulate", "--devices", "60", "--days", "150", "--seed", "3", "-w", folder)
    worked("import", "tables", folder / "simulated" / "tables", "-w", folder)
    worked("train", "failure", "-w", folder)
    worked("score", "-w", folder)
    return folder


def listed(fleet: Path, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(worked("risk-list", "--format", "json", "-w", fleet, *words))
    return found


@contextmanager
def service(fleet: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    base = f"http://127.0.0.1:{port}"
    words = [*COMMAND, "serve", "--port", str(port), "-w", str(fleet)]
    running = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ))
    try:
        wait_until_ready(base, running)
        yield base
    finally:
        running.terminate()
        running.wait(timeout=30)


def wait_until_ready(base: str, running: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and running.poll() is None:
        try:
            with urllib.request.urlopen(f"{base}/ready", timeout=10):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.2)
    pytest.fail("the service did not become ready")


def ask(base: str, key: str, body: dict[str, Any]) -> dict[str, Any]:
    headers = {"Content-Type": "application/json", "X-API-Key": key}
    request = urllib.request.Request(f"{base}/v1/failure-risk", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as response:
        answer: dict[str, Any] = json.load(response)
    return answer


def test_the_service_gives_the_probability_of_the_list_to_the_last_digit(fleet: Path) -> None:
    rows = listed(fleet, "--horizon", "7d")["rows"]
    key = json.loads(worked("keys", "create", "--name", "e2e", "--json", "-w", fleet))["key"]
    chosen = [rows[0], rows[len(rows) // 2], rows[-1]]
    with service(fleet) as base:
        body = {"devices": [{"device_id": row["device_id"]} for row in chosen], "horizon": "7d"}
        results = ask(base, key, body)["results"]
    assert [result["probability"] for result in results] == [row["probability"] for row in chosen]
    assert [result["sentence"].rstrip(".") for result in results] == [row["sentence"] for row in chosen]


def test_every_form_of_the_list_has_the_same_devices_in_the_same_order(fleet: Path, tmp_path: Path) -> None:
    whole = listed(fleet)
    order = [row["device_id"] for row in whole["rows"]]
    text = worked("risk-list", "--format", "csv", "-w", fleet)
    assert [row["device_id"] for row in csv.DictReader(text.splitlines())] == order
    worked("risk-list", "--format", "csv", "--out", tmp_path / "list.csv", "-w", fleet)
    assert (tmp_path / "list.csv").read_bytes().startswith(b"\xef\xbb\xbfrank,")  # a spreadsheet reads it as UTF-8
    worked("risk-list", "--format", "xlsx", "--out", tmp_path / "list.xlsx", "-w", fleet)
    assert (tmp_path / "list.xlsx").stat().st_size > 1000
    assert listed(fleet)["list_id"] == whole["list_id"]


def test_the_same_commands_again_change_nothing(fleet: Path) -> None:
    before = json.loads(worked("status", "--json", "-w", fleet))
    again = json.loads(worked("import", "tables", fleet / "simulated" / "tables", "--json", "-w", fleet))
    assert again["repeated"] is True
    assert json.loads(worked("train", "failure", "--json", "-w", fleet))["repeated"] is True
    assert all(run["repeated"] for run in json.loads(worked("score", "--json", "-w", fleet))["runs"])
    after = json.loads(worked("status", "--json", "-w", fleet))
    unchanged = ("version", "tables", "models", "forecasts")
    assert {name: after[name] for name in unchanged} == {name: before[name] for name in unchanged}


def test_a_backtest_writes_a_report_beside_its_baselines(fleet: Path, tmp_path: Path) -> None:
    status = json.loads(worked("status", "--json", "-w", fleet))
    end = status["observed_until"][:10]
    spans = (
        "--train-until",
        _days_before(end, 40),
        "--test-from",
        _days_before(end, 40),
        "--test-until",
        _days_before(end, 8),
    )
    worked("backtest", "failure", *spans, "--every", "7d", "--json", tmp_path / "report.json", "-w", fleet)
    results = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["results"]
    assert {"aftercast", "base_rate", "age", "logistic", "rule"} <= set(results)


def _days_before(day: str, days: int) -> str:
    return (date.fromisoformat(day) - timedelta(days=days)).isoformat()
