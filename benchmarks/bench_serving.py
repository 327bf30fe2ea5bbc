"""How fast the service answers: beside an empty endpoint, `mlflow models serve` and BentoML with the same model.

``python -m benchmarks serving`` simulates a fleet, trains, scores and starts every server; one at a time is asked from
a process of its own, over 1, 8 and 64 connections, while the others are paused. Where there are two cores, servers have
one and the load has the other. aftercast runs as users run it: `aftercast serve` with a key, a rate limit, the audit
log and the request log. What it and the others say of the same device is compared in the same run.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Final

import httpx
from benchmarks.harness import keep
from benchmarks.operation.load import load_process
from benchmarks.operation.processes import Part, answers, free_port, on_cores, service
from benchmarks.serving.floors import PATH
from benchmarks.serving.material import HORIZON, Material, make_material
from benchmarks.serving.questions import Question, all_questions
from benchmarks.serving.rivals import bento_environment, bento_serve, mlflow_serve, model_files
from benchmarks.serving.runs import Row, Runner, Server
from benchmarks.serving.tables import AGREE, Goal, goals, show, show_goals

from aftercast.operations.audit import verify
from aftercast.operations.environment import quiet_libraries

CONNECTIONS: Final = (1, 8, 64)
NOTE: Final = (
    "aftercast: `aftercast serve`, one process, key checked, requests counted against the key's own rate limit, "
    "every answer in the audit log, request log on. By id it looks the features up; mlflow and BentoML (one worker "
    "each) are given them in the call, check no key, record nothing and name no drivers."
)


def main() -> None:
    """Measure, print, write the results; 1 where answers differ or aftercast failed to answer."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks serving", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    parser.add_argument("--connections", type=int, nargs="+", default=list(CONNECTIONS), help="at a time")
    parser.add_argument(
        "--quick", action="store_true", help="half a second each; figures are rough, nothing is written"
    )
    parser.add_argument("--only", default="", help="questions whose name has these words")
    parser.add_argument("--fleet", type=Path, help="folder of the fleet, kept and used again")
    asked = parser.parse_args()
    quiet_libraries()
    with tempfile.TemporaryDirectory(prefix="aftercast-serving-") as scratch:
        fleet = asked.fleet or Path(scratch) / "fleet"
        seconds = 0.5 if asked.quick else asked.seconds
        rows, audited, notes = run(Path(scratch), fleet.resolve(), asked.connections, seconds, asked.only)
    found = [*goals(rows), audited]
    show(rows, " ".join([NOTE, *notes]))
    show_goals(found)
    if not asked.quick and not asked.only:
        print(f"Written to {write(rows, found, notes, seconds)}")
    sys.exit(0 if all(goal.met is not False for goal in found[-3:]) else 1)


def run(
    scratch: Path, fleet: Path, connections: Sequence[int], seconds: float, only: str
) -> tuple[list[Row], Goal, list[str]]:
    """Rows of every question at every concurrency, whether all is on record, and what has to be said about them."""
    material = make_material(fleet)
    wanted = [each for each in all_questions(material) if only in each.what]
    (ours, theirs), (before, _) = cores(), _entries(material)
    with ExitStack() as stack:
        servers, notes = stack.enter_context(_serving(material, scratch, ours))
        reference = material.probabilities(f"http://127.0.0.1:{servers['aftercast'].port}")
        runner = Runner(stack.enter_context(load_process(theirs)), servers, reference)
        rows = measure(runner, [each for each in wanted if each.server in servers], connections, seconds)
    notes.append(
        f"Servers on core {sorted(ours)}, load on core {sorted(theirs)}." if ours else "No cores were set apart."
    )
    return rows, _audited(before, _entries(material), runner.answered), notes


def measure(runner: Runner, wanted: Sequence[Question], connections: Sequence[int], seconds: float) -> list[Row]:
    """Ask everything, one after the other."""
    rows = []
    for question in wanted:
        runner.warm(question)
    for count in connections:
        for question in (each for each in wanted if count <= each.most_connections):
            row = runner.measure(question, count, seconds)
            rows.append(row)
            print(_line(row), flush=True)
    return rows


def _line(row: Row) -> str:
    agrees = row.difference is None or row.difference <= AGREE
    other = "" if agrees else f" (other probabilities, by {row.difference:.1e})"
    return f"{row.connections:>3} at a time, {row.devices:>5,} devices, {row.p50_ms:>9,.2f} ms: {row.what}{other}"


def cores() -> tuple[frozenset[int], frozenset[int]]:
    """Core of the servers and core of the load; none where there are not two to choose from."""
    there = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return (frozenset(there[:1]), frozenset(there[1:2])) if len(there) >= 2 else (frozenset(), frozenset())


@contextmanager
def _serving(material: Material, scratch: Path, on: frozenset[int]) -> Iterator[tuple[dict[str, Server], list[str]]]:
    """Every server that can be started, by name, and why others cannot."""
    notes: list[str] = []
    servers: dict[str, Server] = {}
    with ExitStack() as stack, on_cores(on):
        port = free_port()
        servers["aftercast"] = _started(
            stack, service(material.workspace.folder, port, scratch / "aftercast.log"), port
        )
        size = _bytes_of_answer(material, port)
        for which in ("raw", "empty", "validating"):
            port = free_port()
            servers[which] = _started(stack, _floor(which, size, port, scratch / f"{which}.log"), port)
        port = free_port()
        servers["mlflow"] = _started(stack, mlflow_serve(material.workspace, port, scratch / "mlflow.log"), port)
        python = bento_environment(scratch / "bento")
        if isinstance(python, str):
            notes.append(f"BentoML was left out: {python}.")
        else:
            port, model = free_port(), model_files(material.workspace, scratch / "model")
            servers["bentoml"] = _started(stack, bento_serve(python, model, port, scratch / "bentoml.log"), port)
        yield servers, notes


def _started(stack: ExitStack, part: Part, port: int) -> Server:
    part.start()
    stack.callback(part.end)
    stack.callback(part.resume)  # what is paused cannot end itself
    return Server(part, port)


def _floor(which: str, size: int, port: int, log: Path) -> Part:
    command = [sys.executable, "-m", "benchmarks.serving.floors", which, "--port", str(port), "--size", str(size)]
    address = f"http://127.0.0.1:{port}{PATH}"
    here = {"PYTHONPATH": str(Path(__file__).resolve().parent.parent)}
    return Part(which, command, log, lambda: answers(address, (200, 404, 405, 422)), here)


def _bytes_of_answer(material: Material, port: int) -> int:
    body = {"devices": [{"device_id": material.ids[0]}], "horizon": HORIZON, "drivers": 3}
    answer = httpx.post(f"http://127.0.0.1:{port}{PATH}", json=body, headers={"X-API-Key": material.key}, timeout=60)
    return len(answer.raise_for_status().content)


def _entries(material: Material) -> tuple[int, int]:
    """How many entries the audit log has, and how many findings."""
    found = verify(material.workspace.path("audit"), material.workspace.database)
    return found.entries, found.misfits + (not found.whole)


def _audited(before: int, after: tuple[int, int], answered: int) -> Goal:
    entries, findings = after
    said = f"{answered:,} answers, {entries - before:,} entries, {findings} findings"
    goal = "every answer of aftercast is in the audit log, and the log is whole"
    return Goal(goal, said, entries - before >= answered and findings == 0)


def write(rows: Sequence[Row], found: Sequence[Goal], notes: Sequence[str], seconds: float) -> Path:
    """Write the results."""
    content: Mapping[str, object] = {
        "note": " ".join([NOTE, *notes]),
        "seconds": seconds,
        "goals": [asdict(goal) for goal in found],
        "rows": [asdict(row) for row in rows],
    }
    return keep("serving", content, left_out={"server", "records", "p95_ms", "devices_per_s", "compared"})


if __name__ == "__main__":
    main()
