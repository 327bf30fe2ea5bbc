"""Whether the time of a refusal tells an existing key from an invented one, over HTTP against `aftercast serve`.

Every refusal is a key that was never sent before, so that nothing is remembered. A caller who could tell the two apart
would rank them better than a coin: the area under the curve of the times would differ from one half.
"""

from __future__ import annotations

import argparse
import http.client
import random
import secrets
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
from benchmarks.harness import keep
from benchmarks.operation.processes import answers, free_port, service
from rich.console import Console
from rich.table import Table
from scipy.stats import mannwhitneyu

from aftercast.data.fleet import Component, FleetSpec
from aftercast.data.workspace import create_workspace
from aftercast.operations.database.keys import KEY_PREFIX, create_key, is_key, revoke_key
from aftercast.operations.environment import quiet_libraries

NOBODY: Final = "id nobody has"


def _invented(key_id: str) -> str:
    return f"{KEY_PREFIX}{key_id}_{secrets.token_hex(32)}"


def kinds(working: str, revoked: str) -> dict[str, Callable[[], str]]:
    """What is sent of each kind: a new text each time."""
    return {
        NOBODY: lambda: _invented(secrets.token_hex(len(working) // 2)),
        "id of a working key": lambda: _invented(working),
        "id of a revoked key": lambda: _invented(revoked),
    }


def measure(port: int, sent: dict[str, Callable[[], str]], count: int) -> dict[str, np.ndarray]:
    """Microseconds until each refusal of each kind, asked in random order."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    order = [name for name in sent for _ in range(count)]
    random.Random(1).shuffle(order)
    took: dict[str, list[float]] = {name: [] for name in sent}
    for name in order:
        key = sent[name]()
        if not is_key(key):
            raise RuntimeError("a text that is no key is refused before anything is looked up")
        began = time.perf_counter_ns()
        line.request("GET", "/v1/model", headers={"X-API-Key": key})
        answered = line.getresponse()
        answered.read()
        took[name].append((time.perf_counter_ns() - began) / 1000)
        if answered.status != 401:
            raise RuntimeError(f"a key that does not work was answered with {answered.status}")
    line.close()
    return {name: np.array(values) for name, values in took.items()}


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks key-timing", description=__doc__)
    parser.add_argument("--requests", type=int, default=5_000, help="refusals of each kind")
    asked = parser.parse_args()
    quiet_libraries()
    with tempfile.TemporaryDirectory(prefix="aftercast-keys-") as name:
        fleet = FleetSpec(name="keys", components=(Component(name="pump"),))
        workspace = create_workspace(Path(name) / "workspace", fleet)
        (working, _), (revoked, _) = (create_key(workspace.database, each) for each in ("working", "revoked"))
        revoke_key(workspace.database, revoked)
        serving = service(workspace.folder, port := free_port(), Path(name) / "service.log")
        serving.ready = lambda: answers(f"http://127.0.0.1:{port}/health")  # it has no model, and needs none here
        try:
            serving.start()
            measure(port, kinds(working, revoked), 200)
            took = measure(port, kinds(working, revoked), asked.requests)
        finally:
            serving.end()
    report(took)


def report(took: dict[str, np.ndarray]) -> None:
    """Print each kind beside an id nobody has, and write the figures down."""
    table = Table("what is sent", "median us", "p95 us", "area under the curve", "p", title="time of a refusal")
    kept: dict[str, object] = {"requests": len(took[NOBODY])}
    for what, times in took.items():
        test = mannwhitneyu(times, took[NOBODY])
        area = float(test.statistic) / (len(times) * len(took[NOBODY]))
        told = ("", "") if what == NOBODY else (f"{area:.3f}", f"{test.pvalue:.3f}")
        p50, p95 = np.quantile(times, [0.5, 0.95])
        table.add_row(what, f"{p50:.1f}", f"{p95:.1f}", *told)
        kept[what] = {"p50_us": round(float(p50), 1), "area": round(area, 4), "p": float(test.pvalue)}
    Console(width=100).print(table)
    print("An area of .5 is a coin; the time of one refusal would have to be measured often to gain anything from .51.")
    keep("key_timing", kept)


if __name__ == "__main__":
    main()
