"""Killing the service, the database and the registry in turn under load, and counting what was lost: nothing may be.

``python -m benchmarks faults --kills 30`` runs a deployment of real processes (service, drain, MLflow server, and a
PostgreSQL of its own where one is installed; SQLite otherwise) and kills one of them with signal 9 at a time, while
some callers ask and others bring records. Then it looks: every record that was accepted is in the store once, every
answer that arrived is in the audit log, the log verifies, no answer was wrong, and the service answers again.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import signal
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import pandas as pd
from benchmarks.harness import keep
from benchmarks.operation.fleet import make_fleet
from benchmarks.operation.processes import Part, drain, free_port, mlflow_server, postgres_server, service
from rich.console import Console
from rich.table import Table

from aftercast.data.workspace import Workspace, open_workspace
from aftercast.models.registry.versions import load_champion
from aftercast.models.scoring.fleet import forecast_rows_of
from aftercast.models.scoring.snapshot import snapshot_path
from aftercast.models.scoring.snapshot_file import load_snapshot
from aftercast.models.words.answers import answer
from aftercast.operations.audit import verify
from aftercast.operations.database.keys import create_key
from aftercast.operations.environment import quiet_libraries
from aftercast.pipelines.drain import run_drain

ASKERS: Final = 3
SENDERS: Final = 2
CODE: Final = "E-FAULTS"
PAUSE_S: Final = (0.5, 2.0)
HORIZON: Final = "7d"
CALM_S: Final = 20.0
"""Within which the service takes up the rows of the last drain."""


@dataclass
class Seen:
    """What the callers saw.

    Attributes
    ----------
    statuses
        How often each status arrived; "away" where no answer did.
    answered
        Ids of requests whose answer arrived.
    accepted
        Event times of records whose acceptance arrived.
    wrong
        Answers that were not the right one, in words.
    """

    statuses: Counter[str] = field(default_factory=Counter)
    answered: list[str] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


def main() -> None:
    """Kill so many times and report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks faults", description=__doc__)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    quiet_libraries()
    with tempfile.TemporaryDirectory(prefix="aftercast-faults-") as folder:
        sys.exit(0 if run(Path(folder), asked.kills, random.Random(asked.seed)) else 1)


def run(folder: Path, kills: int, chance: random.Random) -> bool:
    """Deploy, kill, look; whether nothing was lost and nothing wrong."""
    database = postgres_server(folder, port := free_port(), folder / "database.log")
    registry_home = folder / "registry"
    registry_home.mkdir()
    registry = mlflow_server(registry_home, registry_port := free_port(), folder / "registry.log")
    parts = [registry] if database is None else [database, registry]
    try:
        for part in parts:
            part.start()
        addresses = {"mlflow": f"http://127.0.0.1:{registry_port}"}
        if database is not None:
            addresses["database"] = f"postgresql+psycopg://aftercast@127.0.0.1:{port}/postgres"
        workspace = make_fleet(folder / "fleet", devices=40, days=90, addresses=addresses)
        _, key = create_key(workspace.database, "faults", ("predict", "ingest"))
        serving = service(workspace.folder, service_port := free_port(), folder / "service.log", ENVIRONMENT)
        parts += [serving, drain(workspace.folder, folder / "drain.log")]
        for part in parts[-2:]:
            part.start()
        address = f"http://127.0.0.1:{service_port}"
        seen = under_load(workspace, address, key, lambda: strike(parts, kills, chance))
        serving.wait_ready()
        workspace = open_workspace(workspace.folder)
        run_drain(workspace)
        different = differences(workspace, address, key)
        return report(workspace, seen, different, kills, names=[part.name for part in parts])
    finally:
        for part in reversed(parts):
            part.end()


ENVIRONMENT: Final = {"AFTERCAST_SERVING__REFRESH_EVERY_S": "0.5"}


def strike(parts: list[Part], kills: int, chance: random.Random) -> None:
    """Kill the parts in turn with signal 9, and start each again after a moment."""
    for number, part in zip(range(1, kills + 1), itertools.cycle(parts)):
        time.sleep(chance.uniform(*PAUSE_S))
        part.end(signal.SIGKILL)
        time.sleep(chance.uniform(0.1, 1.5))
        part.start()
        print(f"{number} of {kills}: killed the {part.name}, and started it again", flush=True)
    time.sleep(2.0)


def under_load(workspace: Workspace, address: str, key: str, work: Callable[[], None]) -> Seen:
    """Do some work while callers ask and bring records; what they saw."""
    seen, stop = Seen(), threading.Event()
    snapshot = load_snapshot(snapshot_path(workspace.folder, "failure"))
    devices = [str(each) for each in snapshot.ids]
    callers = [threading.Thread(target=ask, args=(address, key, devices, seen, stop)) for _ in range(ASKERS)]
    callers += [threading.Thread(target=bring, args=(address, key, devices, seen, stop)) for _ in range(SENDERS)]
    for caller in callers:
        caller.start()
    try:
        work()
    finally:
        stop.set()
        for caller in callers:
            caller.join()
    return seen


def ask(address: str, key: str, devices: list[str], seen: Seen, stop: threading.Event) -> None:
    """Ask about devices until told to stop; an answer must name every device once and one model."""
    with httpx.Client(base_url=address, headers={"X-API-Key": key}, timeout=20) as http:
        while not stop.is_set():
            request_id, asked = uuid.uuid4().hex, random.sample(devices, 3)
            body = {"devices": [{"device_id": each} for each in asked], "drivers": 0}
            answered = _sent(http, "/v1/failure-risk", body, {"X-Request-ID": request_id}, seen)
            if answered is not None and answered.status_code == 200:
                with seen.lock:
                    seen.answered.append(request_id)
                    seen.wrong += _wrong(answered.json(), asked)


def _wrong(told: dict[str, Any], asked: list[str]) -> list[str]:
    results = told["results"]
    found = []
    if [each["device_id"] for each in results] != asked:
        found.append("an answer about other devices")
    if {each["model"]["run_id"] for each in results} != {told["model"]["run_id"]}:
        found.append("an answer of two models")
    if any(each["probability"] is None or not 0 <= each["probability"] <= 1 for each in results):
        found.append("a device in the field without a probability")
    return found


def bring(address: str, key: str, devices: list[str], seen: Seen, stop: threading.Event) -> None:
    """Bring fault records, each until it was accepted; only those count whose acceptance arrived."""
    base, micros = pd.Timestamp.now("UTC").floor("s") - pd.Timedelta(days=2), random.Random()
    with httpx.Client(base_url=address, headers={"X-API-Key": key}, timeout=20) as http:
        while not stop.is_set():
            moment = (base + pd.Timedelta(microseconds=micros.randrange(1, 10**10))).isoformat()
            record = {"device_id": random.choice(devices), "event_time": moment, "code": CODE}
            headers = {"Idempotency-Key": moment}
            while not stop.is_set():
                taken = _sent(http, "/v1/records", {"table": "faults", "records": [record]}, headers, seen)
                if taken is not None and taken.status_code == 202:
                    with seen.lock:
                        seen.accepted.append(moment)
                    break
                time.sleep(0.1)


def _sent(http: httpx.Client, path: str, body: dict[str, Any], headers: dict[str, str], seen: Seen) -> Any:
    try:
        answered = http.post(path, json=body, headers=headers)
    except httpx.TransportError:
        answered = None
        time.sleep(0.05)
    with seen.lock:
        seen.statuses["away" if answered is None else str(answered.status_code)] += 1
    return answered


def differences(workspace: Workspace, address: str, key: str) -> int:
    """How many devices the service answers otherwise than the champion and the rows on disk say, once it is calm."""
    rows = load_snapshot(snapshot_path(workspace.folder, "failure"))
    scored = forecast_rows_of(load_champion(workspace, "failure"), rows, workspace.fleet)
    right = {each: answer(scored.forecast(place, 0), HORIZON).probability for each, place in scored.position.items()}
    body = {"devices": [{"device_id": each} for each in right], "horizon": HORIZON, "drivers": 0}
    deadline = time.monotonic() + CALM_S
    with httpx.Client(base_url=address, headers={"X-API-Key": key}, timeout=20) as http:
        while True:
            results = http.post("/v1/failure-risk", json=body).raise_for_status().json()["results"]
            found: int = sum(each["probability"] != right[each["device_id"]] for each in results)
            if found == 0 or time.monotonic() > deadline:
                return found
            time.sleep(0.5)


def report(workspace: Workspace, seen: Seen, different: int, kills: int, names: list[str]) -> bool:
    """Compare, print; whether nothing was lost and nothing wrong."""
    stored = workspace.store.read("faults")
    mine = stored.loc[stored["code"] == CODE, "event_time"]
    kept = Counter(moment.isoformat() for moment in mine)
    verification = verify(workspace.path("audit"), workspace.database)
    recorded = _recorded(workspace)
    findings = {
        "accepted records that are not in the store": sum(moment not in kept for moment in seen.accepted),
        "records in the store more than once": sum(count > 1 for count in kept.values()),
        "answers that arrived and are not in the audit log": sum(each not in recorded for each in seen.answered),
        "findings of the audit log": len(verification.findings),
        "wrong answers": len(seen.wrong),
        "devices answered otherwise than model and rows say, at the end": different,
        "answers that were defects (500)": seen.statuses["500"],
    }
    table = Table("what", "count", title=f"{kills} kills of {', '.join(names)}")
    table.add_row("answers that arrived", f"{len(seen.answered):,}")
    table.add_row("records accepted", f"{len(seen.accepted):,}")
    table.add_row("statuses", ", ".join(f"{name}: {count:,}" for name, count in sorted(seen.statuses.items())))
    for what, count in findings.items():
        table.add_row(what, f"{count:,}")
    Console(width=120).print(table)
    _keep(kills, names, seen, findings)
    return sum(findings.values()) == 0 and len(seen.accepted) > 0 and len(seen.answered) > 0


def _keep(kills: int, names: list[str], seen: Seen, findings: dict[str, int]) -> None:
    content = {
        "kills": kills,
        "parts": names,
        "answered": len(seen.answered),
        "accepted": len(seen.accepted),
        "statuses": dict(sorted(seen.statuses.items())),
        "findings": findings,
    }
    keep("faults", content)


def _recorded(workspace: Workspace) -> set[str]:
    """Ids of the requests whose answers are in the audit log."""
    found = set()
    for segment in sorted(workspace.path("audit").glob("*.jsonl")):
        for line in segment.read_bytes().splitlines():
            entry = json.loads(line)["entry"]
            if entry["event"] == "prediction":
                found.add(entry["content"]["request_id"])
    return found


if __name__ == "__main__":
    main()
