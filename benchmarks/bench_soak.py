"""Whether the service holds ever more memory, descriptors or threads under steady, mixed load.

``python -m benchmarks soak --minutes 60`` runs `aftercast serve` and `aftercast drain --follow` on a small fleet while
callers do everything callers do, right and wrong, the champion changes and new rows are scored again and again. After a
warm-up a line is fitted through the least of each quantity; it ends with 1 when one grows, or an answer was wrong.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.harness import RAW, keep
from benchmarks.operation.fleet import make_fleet
from benchmarks.operation.mix import Counted, Mix, asking
from benchmarks.operation.processes import drain, free_port, service
from benchmarks.operation.resources import Sample, Trend, Verdict, trend, watching
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from aftercast.data.workspace import Workspace
from aftercast.models.registry.versions import promote_by_hand
from aftercast.models.scoring.snapshot import snapshot_path
from aftercast.models.scoring.snapshot_file import load_snapshot, save_snapshot
from aftercast.operations.audit import verify
from aftercast.operations.environment import quiet_libraries
from aftercast.pipelines.train import run_train

DRAIN_EVERY_S: Final = 10.0
WARM_UP: Final = 0.25
"""Share of the time that is left out: caches fill, libraries are loaded, the allocator finds its size."""
SMALLEST: Final = 48
"""Bytes of the smallest object a request could lose, an empty bytes with its reference."""
MOST_AN_HOUR: Final = 6.0
"""Descriptors or threads an hour that count as none: pools may still grow by a few, while one lost in ten thousand
requests is 18 an hour at 50 requests a second."""
WORDS: Final = {
    "own_mb": "own memory, MB",
    "rss_mb": "with libraries, MB",
    "descriptors": "descriptors",
    "threads": "threads",
}


@dataclass(frozen=True)
class Judged:
    """One quantity of one process."""

    process: str
    quantity: str
    first: float
    last: float
    trend: Trend
    bound: float
    verdict: Verdict


def main() -> None:
    """Run for so long, judge, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=50.0, help="most requests a second, all callers together")
    parser.add_argument("--callers", type=int, default=4)
    parser.add_argument("--change-every", type=float, default=60.0, help="seconds between changes of champion or rows")
    parser.add_argument("--sample-every", type=float, default=5.0, help="seconds")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    if asked.minutes * 60 * (1 - WARM_UP) < 20 * asked.sample_every:
        parser.error("that is too short for a line: more --minutes, or --sample-every more often")
    quiet_libraries()
    with tempfile.TemporaryDirectory(prefix="aftercast-soak-") as folder:
        samples, counted, findings = soak(Path(folder), asked)
    found = [each for name, taken in samples.items() for each in judge(name, taken, asked.rate)]
    show(found, counted, findings)
    print(f"Written to {write(asked, found, counted, samples)}")
    fine = all(each.verdict != "grows" for each in found) and not counted.wrong and findings == 0
    sys.exit(0 if fine else 1)


def soak(folder: Path, asked: argparse.Namespace) -> tuple[Mapping[str, list[Sample]], Counted, int]:
    """Samples by process, what came back, and findings of the audit log."""
    workspace = make_fleet(folder / "fleet", devices=60, days=90)
    versions = _two_versions(workspace)
    mix = Mix(workspace)
    parts = [
        service(workspace.folder, port := free_port(), folder / "service.log"),
        drain(workspace.folder, folder / "drain.log", every_s=DRAIN_EVERY_S),
    ]
    try:
        for part in parts:
            part.start()
        address = f"http://127.0.0.1:{port}"
        with (
            asking(mix, address, rate=asked.rate, callers=asked.callers, seed=asked.seed) as counted,
            watching(parts, asked.sample_every) as samples,
        ):
            change(workspace, versions, asked.minutes * 60, asked.change_every)
    finally:
        for part in parts:
            part.end()
    return samples, counted, len(verify(workspace.path("audit"), workspace.database).findings)


def _two_versions(workspace: Workspace) -> list[str]:
    """The champion and a second model, which becomes champion too now and then."""
    made = [run_train(workspace, "failure", seed=seed).result for seed in (0, 1)]
    return [str(each["version"]) for each in made]


def change(workspace: Workspace, versions: Sequence[str], seconds: float, every_s: float) -> None:
    """Change the champion and save the rows anew, in turn, until the time is over."""
    end, began = time.monotonic() + seconds, time.monotonic()
    path = snapshot_path(workspace.folder, "failure")
    for number in itertools.count():
        time.sleep(max(0.0, min(every_s, end - time.monotonic())))
        if time.monotonic() >= end:
            return
        if number % 2 == 0:
            promote_by_hand(workspace, "failure", versions[(number // 2 + 1) % 2], even_if_worse=True)
        else:
            save_snapshot(load_snapshot(path), path)
        print(f"{(time.monotonic() - began) / 60:.0f} of {seconds / 60:.0f} minutes", flush=True)


def judge(process: str, samples: Sequence[Sample], rate: float) -> list[Judged]:
    """Judge every quantity of a process after the warm-up.

    Memory is flat below the slope at which each request would lose :data:`SMALLEST` bytes. That of libraries is drawn,
    not judged: it grows whenever code runs for the first time, up to their size.
    """
    bounds = {"own_mb": rate * 3600 * SMALLEST / 2**20, "descriptors": MOST_AN_HOUR, "threads": MOST_AN_HOUR}
    kept = [each for each in samples if each.at_s >= WARM_UP * samples[-1].at_s]
    out = []
    for quantity, bound in bounds.items():
        values = [float(getattr(each, quantity)) for each in kept]
        line = trend([each.at_s for each in kept], values)
        out.append(Judged(process, quantity, values[0], values[-1], line, bound, line.verdict(bound)))
    return out


def show(found: Sequence[Judged], counted: Counted, findings: int) -> None:
    """Print what was seen and the verdicts."""
    console = Console(width=130)
    table = Table(title=f"{sum(counted.calls.values()):,} calls; after the warm-up")
    for heading in ("process", "quantity", "first", "last", "an hour", "95 % interval", "flat up to", "verdict"):
        table.add_column(heading)
    for each in found:
        line, name = each.trend, WORDS[each.quantity]
        interval = f"{line.lower:+.2f} to {line.upper:+.2f}"
        ends = (f"{each.first:,.1f}", f"{each.last:,.1f}", f"{line.per_hour:+.2f}")
        table.add_row(each.process, name, *ends, interval, f"{each.bound:.1f}", each.verdict)
    console.print(table)
    calls = ", ".join(f"{what}: {count:,}" for what, count in sorted(counted.calls.items()))
    wrong = ", ".join(f"{what}: {count:,}" for what, count in sorted(counted.wrong.items())) or "none"
    console.print(
        f"Calls: {calls}.\nAnswers that were not as they must be: {wrong}.\nFindings of the audit log: {findings}."
    )


def write(
    asked: argparse.Namespace, found: Sequence[Judged], counted: Counted, samples: Mapping[str, Sequence[Sample]]
) -> Path:
    """Write the results and a plot."""
    content: dict[str, Any] = {
        "asked": vars(asked),
        "judged": [asdict(each) for each in found],
        "calls": dict(sorted(counted.calls.items())),
        "wrong": dict(sorted(counted.wrong.items())),
        "samples": {name: [astuple(each) for each in taken] for name, taken in samples.items()},
    }
    path = keep("soak", content, left_out={"samples"})
    draw(samples).savefig(RAW / "soak.svg")
    return path


def draw(samples: Mapping[str, Sequence[Sample]]) -> Figure:
    """Each quantity over time, a line a process."""
    figure = Figure(figsize=(8, 8), layout="constrained")
    for axis, (quantity, words) in zip(figure.subplots(len(WORDS), 1, sharex=True), WORDS.items(), strict=True):
        for name, taken in samples.items():
            axis.plot([each.at_s / 60 for each in taken], [getattr(each, quantity) for each in taken], label=name)
        axis.set_ylabel(words)
        axis.set_ylim(bottom=0)
    axis.set_xlabel("minutes")
    axis.legend()
    return figure


if __name__ == "__main__":
    main()
