"""A mix of everything callers do, right and wrong, asked at a steady rate by a few threads."""

from __future__ import annotations

import itertools
import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import pandas as pd

from aftercast.data.workspace import Workspace
from aftercast.models.scoring.snapshot import snapshot_path
from aftercast.models.scoring.snapshot_file import load_snapshot
from aftercast.operations.database.keys import create_key

RISK: Final = "/v1/failure-risk"
HORIZONS: Final = ("24h", "36h", "7d", "10d", "30d")
TIMEOUT_S: Final = 60.0


@dataclass(frozen=True)
class Call:
    """One request, and the status it must have."""

    what: str
    status: int
    method: str
    path: str
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Counted:
    """What came back: calls by what they were, and what was not as it must be, by words."""

    calls: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, call: Call, came: str) -> None:
        """Count an answer by its status, or what else came."""
        with self.lock:
            self.calls[call.what] += 1
            if came != str(call.status):
                self.wrong[f"{call.what}: {came}"] += 1


class Mix:
    """Makes calls about the devices of a workspace.

    Parameters
    ----------
    workspace
        Trained and scored; two keys are added to it.
    """

    def __init__(self, workspace: Workspace) -> None:
        snapshot = load_snapshot(snapshot_path(workspace.folder, "failure"))
        self._ids = [str(each) for each in snapshot.ids]
        self._cutoff = snapshot.cutoff
        _, key = create_key(workspace.database, "mix", ("predict", "lists", "ingest"), rate_limit="10000000/hour")
        _, narrow = create_key(workspace.database, "mix, lists only", ("lists",), rate_limit="10000000/hour")
        self._key, self._narrow = {"X-API-Key": key}, {"X-API-Key": narrow}
        self._kinds = {
            self._one: 50,
            self._batch: 10,
            self._device: 8,
            self._with_records: 4,
            self._list: 3,
            self._brings: 4,
            self._unknown: 4,
            self._malformed: 4,
            self._wrong_key: 4,
            self._wrong_scope: 3,
            self._probe: 3,
        }

    def calls(self, chance: random.Random) -> Iterator[Call]:
        """Calls without end."""
        kinds, weights = list(self._kinds), list(self._kinds.values())
        while True:
            yield chance.choices(kinds, weights)[0](chance)

    def _one(self, chance: random.Random) -> Call:
        return self._ask("one by id", [{"device_id": chance.choice(self._ids)}], chance)

    def _batch(self, chance: random.Random) -> Call:
        return self._ask("batch by id", [{"device_id": each} for each in chance.sample(self._ids, 30)], chance)

    def _device(self, chance: random.Random) -> Call:
        return Call("device", 200, "GET", f"/v1/devices/{chance.choice(self._ids)}", headers=self._key)

    def _with_records(self, chance: random.Random) -> Call:
        device = {"device_id": chance.choice(self._ids), "telemetry": self._telemetry(24, chance)}
        return self._ask("records in the call", [device], chance)

    def _list(self, _chance: random.Random) -> Call:
        return Call("risk list", 201, "POST", "/v1/risk-lists", {"top": 20}, headers=self._key)

    def _brings(self, chance: random.Random) -> Call:
        rows = [{"device_id": chance.choice(self._ids), **row} for row in self._telemetry(5, chance)]
        headers = {**self._key, "Idempotency-Key": uuid.UUID(int=chance.getrandbits(128)).hex}
        return Call("records in", 202, "POST", "/v1/records", {"table": "telemetry", "records": rows}, headers)

    def _unknown(self, chance: random.Random) -> Call:
        return self._ask("unknown device", [{"device_id": f"nobody-{chance.randrange(10**6)}"}], chance)

    def _malformed(self, chance: random.Random) -> Call:
        body = {"devices": [{"device_id": chance.randrange(9)}], f"field{chance.randrange(10**6)}": 1}
        return Call("malformed", 422, "POST", RISK, body, self._key)

    def _wrong_key(self, chance: random.Random) -> Call:
        return Call("wrong key", 401, "GET", "/v1/model", headers={"X-API-Key": f"ak_{chance.getrandbits(128):x}"})

    def _wrong_scope(self, _chance: random.Random) -> Call:
        return Call("wrong scope", 403, "POST", RISK, {"devices": [{"device_id": self._ids[0]}]}, self._narrow)

    def _probe(self, _chance: random.Random) -> Call:
        return Call("probe", 200, "GET", "/ready")

    def _ask(self, what: str, devices: Sequence[object], chance: random.Random, **more: Any) -> Call:
        body = {"devices": devices, "horizon": chance.choice(HORIZONS), "drivers": chance.choice((0, 3)), **more}
        return Call(what, 200, "POST", RISK, body, self._key)

    def _telemetry(self, count: int, chance: random.Random) -> list[dict[str, Any]]:
        first = self._cutoff - pd.Timedelta(hours=count + 1) + pd.Timedelta(seconds=chance.randrange(3600))
        moments = (first + pd.Timedelta(hours=i) for i in range(count))
        return [{"event_time": each.isoformat(), "vibration_mm_s": chance.uniform(1, 5)} for each in moments]


@contextmanager
def asking(mix: Mix, address: str, *, rate: float, callers: int, seed: int) -> Iterator[Counted]:
    """Ask for the length of a with block, all callers together so many times a second at most."""
    counted, stop = Counted(), threading.Event()
    streams = [mix.calls(random.Random(seed + i)) for i in range(callers)]
    arguments = [(stream, address, callers / rate, counted, stop) for stream in streams]
    threads = [threading.Thread(target=_ask, args=each, name="caller") for each in arguments]
    for thread in threads:
        thread.start()
    try:
        yield counted
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _ask(calls: Iterator[Call], address: str, every_s: float, counted: Counted, stop: threading.Event) -> None:
    due = time.monotonic()
    with httpx.Client(base_url=address, timeout=TIMEOUT_S) as http:
        for call in itertools.takewhile(lambda _call: not stop.is_set(), calls):
            try:
                came = str(http.request(call.method, call.path, json=call.body, headers=call.headers).status_code)
            except httpx.TransportError as error:
                came = type(error).__name__
            counted.add(call, came)
            due = max(due + every_s, time.monotonic())  # what was missed while an answer took long is not made up for
            stop.wait(max(0.0, due - time.monotonic()))
