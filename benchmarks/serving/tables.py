"""What was measured, for people: a table for each concurrency, and the goals with what was reached."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.serving.material import DEVICES
from benchmarks.serving.runs import Row
from rich.console import Console
from rich.table import Table

FLOOR: Final = "floor: empty endpoint"
BY_ID: Final = "aftercast by id, 3 drivers"
FRESH: Final = "aftercast by id, 3 drivers, never asked before"
MLFLOW: Final = "mlflow models serve, features given"
AGREE: Final = 1e-9
ONE_MS, TIMES_MLFLOW, BATCH_MS = 1.0, 30.0, 150.0
WIDTH: Final = 160


@dataclass(frozen=True)
class Goal:
    """A goal, and what was reached; None where it was not measured."""

    what: str
    reached: str
    met: bool | None


def show(rows: Sequence[Row], note: str) -> None:
    """Print a table for each concurrency."""
    console = Console(width=WIDTH)
    for connections in sorted({row.connections for row in rows}):
        table = Table(title=f"{connections} at a time", caption=note, caption_justify="left")
        table.add_column("what")
        for heading in ("devices", "records", "p50 ms", "p95 ms", "p99 ms", "requests/s", "devices/s"):
            table.add_column(heading, justify="right")
        table.add_column("errors")
        for row in rows:
            if row.connections == connections:
                table.add_row(*_cells(row))
        console.print(table)


def _cells(row: Row) -> list[str]:
    times = (f"{value:,.2f}" for value in (row.p50_ms, row.p95_ms, row.p99_ms))
    rates = (f"{value:,.0f}" if value >= 100 else f"{value:,.1f}" for value in (row.requests_per_s, row.devices_per_s))
    errors = ", ".join(f"{what}: {count:,}" for what, count in sorted(row.errors.items()))
    return [row.what, f"{row.devices:,}", f"{row.records:,}" if row.records else "", *times, *rates, errors]


def goals(rows: Sequence[Row]) -> list[Goal]:
    """Judge the goals by what was measured."""
    return [
        *(_at_once(rows, what) for what in (BY_ID, FRESH)),
        *(_faster(rows, connections) for connections in sorted({row.connections for row in rows})),
        *(_batch(rows, what) for what in (BY_ID, FRESH)),
        _agreed(rows),
        _faultless(rows),
    ]


def show_goals(found: Sequence[Goal]) -> None:
    """Print the goals."""
    table = Table("goal", "reached", "", title="Goals")
    for goal in found:
        table.add_row(goal.what, goal.reached, {True: "met", False: "NOT MET", None: "not measured"}[goal.met])
    Console(width=WIDTH).print(table)


def _at_once(rows: Sequence[Row], what: str) -> Goal:
    ours, floor = _row(rows, what, 1, 1), _row(rows, FLOOR, 1, 1)
    goal = f"{what}, one device, 1 at a time: p50 within {ONE_MS:g} ms"
    if ours is None or floor is None:
        return Goal(goal, "", None)
    times = ours.p50_ms / floor.p50_ms
    said = f"{ours.p50_ms:.3f} ms, {times:.1f} x the {floor.p50_ms:.3f} ms of the empty endpoint"
    return Goal(goal, said, ours.p50_ms <= ONE_MS)


def _faster(rows: Sequence[Row], connections: int) -> Goal:
    ours, theirs = _row(rows, BY_ID, 1, connections), _row(rows, MLFLOW, 1, connections)
    goal = f"{BY_ID}, one device, {connections} at a time: {TIMES_MLFLOW:g} x the requests/s of mlflow models serve"
    if ours is None or theirs is None:
        return Goal(goal, "", None)
    times = ours.requests_per_s / theirs.requests_per_s if theirs.requests_per_s > 0 else math.inf
    said = f"{ours.requests_per_s:,.0f}/s, {times:.1f} x {theirs.requests_per_s:,.0f}/s"
    return Goal(goal, said, times >= TIMES_MLFLOW)


def _batch(rows: Sequence[Row], what: str) -> Goal:
    goal = f"{what}, {DEVICES:,} devices, 1 at a time: p95 under {BATCH_MS:g} ms"
    alone = _row(rows, what, DEVICES, 1)
    if alone is None:
        return Goal(goal, "", None)
    more = [row for row in rows if (row.what, row.devices) == (what, DEVICES) and row.connections > 1]
    beside = ", ".join(f"{row.p95_ms:,.0f} ms at {row.connections}" for row in more)
    return Goal(goal, f"{alone.p95_ms:.1f} ms{f' ({beside})' if beside else ''}", alone.p95_ms < BATCH_MS)


def _agreed(rows: Sequence[Row]) -> Goal:
    goal = f"every server says the same probability of the same device, to {AGREE:g}"
    found = [row for row in rows if row.difference is not None]
    worst = max((row.difference for row in found if row.difference is not None), default=math.inf)
    said = f"{sum(row.compared for row in found):,} compared, largest difference {worst:.1e}"
    return Goal(goal, said, worst <= AGREE if found else None)


def _faultless(rows: Sequence[Row]) -> Goal:
    count = sum(sum(row.errors.values()) for row in rows if row.server == "aftercast")
    asked = sum(row.requests for row in rows if row.server == "aftercast")
    return Goal("aftercast answers every request", f"{count:,} errors in {asked:,} requests", count == 0)


def _row(rows: Sequence[Row], what: str, devices: int, connections: int) -> Row | None:
    wanted = (what, devices, connections)
    return next((row for row in rows if (row.what, row.devices, row.connections) == wanted), None)
