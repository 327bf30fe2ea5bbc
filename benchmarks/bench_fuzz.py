"""Fuzzing the whole API from its own OpenAPI document, with every check that schemathesis has.

``python -m benchmarks fuzz --calls 20000`` runs the real service on a small simulated fleet and calls it until so many
calls were made, each round from another seed, with a key that sees everything and one of an outlet by turns. It ends
with 1 when a check failed or the service answered with any 5xx, and prints the statuses of all calls from the service's
own log.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from http import HTTPStatus
from itertools import cycle
from pathlib import Path
from typing import Any, Final

from benchmarks.operation.fleet import make_fleet
from benchmarks.operation.processes import free_port, service
from rich.console import Console
from rich.table import Table

from aftercast.data.workspace import Workspace
from aftercast.operations.database.keys import create_key
from aftercast.operations.environment import quiet_libraries

SCHEMATHESIS: Final = str(Path(sys.executable).with_name("schemathesis"))
KNOWN: Final = "D0017"
"""The device of the document's examples; the fleet has it."""
ACCESS: Final = "aftercast.serving.access"
MADE: Final = re.compile(r"^\s+(\d+) generated", re.MULTILINE)


def main() -> None:
    """Fuzz until enough calls were made."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks fuzz", description=__doc__)
    parser.add_argument("--calls", type=int, default=20_000, help="at least so many")
    parser.add_argument("--examples", type=int, default=400, help="examples of each operation in a round")
    parser.add_argument("--seed", type=int, default=1, help="seed of the first round")
    asked = parser.parse_args()
    quiet_libraries()
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(0 if fuzz(Path(folder), asked.calls, asked.examples, asked.seed) else 1)


def fuzz(folder: Path, calls: int, examples: int, seed: int) -> bool:
    """Whether every round passed and no call met a defect of the service."""
    workspace = make_fleet(folder / "fleet", devices=60, days=150, known=KNOWN, churn=True)
    keys = {"everything": make_key(workspace, None), "one outlet": make_key(workspace, [outlet_of(workspace, KNOWN)])}
    port, log = free_port(), folder / "service.log"
    part = service(workspace.folder, port, log)
    part.start()
    passed = True
    try:
        made = 0
        for sees, key in cycle(keys.items()):
            if made >= calls and sees == "everything":
                break
            fine, count = round_of(f"http://127.0.0.1:{port}", key, examples, seed)
            passed, made, seed = passed and fine, made + count, seed + 1
            print(f"{made:,} of {calls:,} calls, the last {count:,} with a key that sees {sees}", flush=True)
    finally:
        part.end()
    return report(log) and passed


def make_key(workspace: Workspace, outlets: list[str] | None) -> str:
    """Key with every scope, of all outlets (None) or some, whose keys send no records."""
    scopes = ("admin",) if outlets is None else ("predict", "lists", "metrics")
    _, key = create_key(workspace.database, "fuzz", scopes, outlets=outlets)
    return key


def outlet_of(workspace: Workspace, device_id: str) -> str:
    """Outlet that looks after a device now."""
    return str(workspace.store.read("devices", device_ids=[device_id])["outlet_id"].iloc[-1])


def round_of(address: str, key: str, examples: int, seed: int) -> tuple[bool, int]:
    """Run one round: whether every check passed, and how many calls were made. Failures are printed whole."""
    command = [
        SCHEMATHESIS,
        "run",
        f"{address}/openapi.json",
        "-H",
        f"X-API-Key: {key}",
        "--checks",
        "all",
        "--no-color",
    ]
    command += ["--max-examples", str(examples), "--seed", str(seed), "--continue-on-failure", "--workers", "2"]
    command += ["--suppress-health-check", "all"]
    with tempfile.TemporaryDirectory() as scratch:
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=scratch)
    found = MADE.search(done.stdout)
    if done.returncode != 0 or found is None:
        print(done.stdout, done.stderr)
    return done.returncode == 0, int(found[1]) if found else 1


def requests(log: Path) -> Iterator[dict[str, Any]]:
    """Lines of a service's log that are about a request; the others are about the service."""
    for line in log.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line) if line.startswith("{") else {}
        if entry.get("logger") == ACCESS:
            yield entry


def report(log: Path) -> bool:
    """Print the statuses by route; whether none was a defect."""
    found: Counter[tuple[str, str, int]] = Counter()
    for entry in requests(log):
        method = "other" if entry["status"] == HTTPStatus.METHOD_NOT_ALLOWED else entry["method"]
        found[method, entry["route"] or "(none)", entry["status"]] += 1
    table = Table("method", "route", "statuses", title=f"{sum(found.values()):,} calls")
    for method, route in sorted({(method, route) for method, route, _ in found}):
        counts = {status: count for (m, r, status), count in sorted(found.items()) if (m, r) == (method, route)}
        table.add_row(method, route, "  ".join(f"{status}: {count:,}" for status, count in counts.items()))
    Console(width=140).print(table)
    defects = sum(count for (_, _, status), count in found.items() if status >= 500)
    print(f"{defects} answers were 5xx.")
    return defects == 0


if __name__ == "__main__":
    main()
