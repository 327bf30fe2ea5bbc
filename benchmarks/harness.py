"""Runs contestants side by side: each in a fresh process, timed and weighed, results printed and kept as JSON.

What is committed is a summary that can be read in a diff; everything that was measured stays in ``raw``, in no commit.
"""

from __future__ import annotations

import json
import multiprocessing
import platform
import resource
import subprocess
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

RESULTS: Final = Path(__file__).parent / "results"
RAW: Final = Path(__file__).parent / "raw"
DIGITS: Final = 4
WIDTH: Final = 320
"""A part of a summary that is no longer than this stands on one line."""


@dataclass(frozen=True)
class Contestant:
    """One way of doing the work.

    Attributes
    ----------
    what
        Name in the table; ours is "aftercast".
    run
        Module-level function called with the arguments; what it returns goes to ``keep``.
    warm
        Called before the clock starts, with the same arguments: compilation, imports.
    keep
        Called after the clock has stopped with what ``run`` returned: writes what will be compared.
    """

    what: str
    run: Callable[..., Any]
    arguments: tuple[Any, ...] = ()
    warm: Callable[..., None] | None = None
    keep: Callable[[Any], None] | None = None


@dataclass(frozen=True)
class Row:
    """One measurement: best wall and processor time in seconds, and peak resident memory of the whole process in MB."""

    what: str
    seconds: float
    peak_mb: float
    details: dict[str, Any] = field(default_factory=dict)
    cpu_seconds: float = float("nan")


def measure(contestant: Contestant, repeats: int = 3) -> Row:
    """Run a contestant in a fresh process and return its best time and its peak memory.

    Raises
    ------
    RuntimeError
        If the process ends without a result; its traceback is on standard error.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(contestant, repeats, theirs))
    process.start()
    theirs.close()
    try:
        seconds, peak_mb, cpu_seconds = ours.recv()
    except EOFError as error:
        raise RuntimeError(f"{contestant.what} ended without a result") from error
    finally:
        process.join()
    return Row(contestant.what, seconds, peak_mb, cpu_seconds=cpu_seconds)


def _child(contestant: Contestant, repeats: int, pipe: Connection) -> None:
    if contestant.warm is not None:
        contestant.warm(*contestant.arguments)
    times: list[tuple[float, float]] = []
    result: Any = None
    for _ in range(repeats):
        result = None
        start, used = time.perf_counter(), time.process_time()
        result = contestant.run(*contestant.arguments)
        times.append((time.perf_counter() - start, time.process_time() - used))
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if contestant.keep is not None:
        contestant.keep(result)
    wall, processor = zip(*times, strict=True)
    pipe.send((min(wall), peak_mb, min(processor)))
    pipe.close()


def report(name: str, rows: Sequence[Row], note: str = "") -> Path:
    """Print the rows as a table and write them to ``results/NAME.json``."""
    table = Table(title=name, caption=note)
    for heading in ("what", "seconds", "CPU seconds", "peak MB"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    for row in rows:
        table.add_row(row.what, f"{row.seconds:.3f}", f"{row.cpu_seconds:.3f}", f"{row.peak_mb:.0f}")
    Console().print(table)
    return keep(name, {"note": note, "rows": [asdict(row) for row in rows]})


def keep(name: str, found: Mapping[str, Any], left_out: Collection[str] = ()) -> Path:
    """Write all that was found to ``raw/NAME.json`` and its summary to ``results/NAME.json``; returns the latter.

    Parameters
    ----------
    left_out
        Keys, at any depth, that only the raw file has.
    """
    content = {"name": name, "machine": machine(), "commit": commit(), **found}
    for folder in (RESULTS, RAW):
        folder.mkdir(exist_ok=True)
    (RAW / f"{name}.json").write_text(json.dumps(content) + "\n", encoding="utf-8")
    path = RESULTS / f"{name}.json"
    path.write_text(in_lines(summary(content, left_out)) + "\n", encoding="utf-8")
    return path


def summary(value: Any, left_out: Collection[str] = ()) -> Any:
    """JSON without some keys, and numbers to four digits."""
    if isinstance(value, Mapping):
        return {name: summary(each, left_out) for name, each in value.items() if name not in left_out}
    if isinstance(value, list | tuple):
        return [summary(each, left_out) for each in value]
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def in_lines(value: Any, depth: int = 0) -> str:
    """JSON text with a line for each part that fits into one."""
    flat = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or depth + len(flat) <= WIDTH:
        return flat
    inside = " " * (depth + 1)
    if isinstance(value, dict):
        parts = [f"{json.dumps(name)}: {in_lines(each, depth + 1)}" for name, each in value.items()]
    else:
        parts = [in_lines(each, depth + 1) for each in value]
    opening, closing = ("{", "}") if isinstance(value, dict) else ("[", "]")
    return f"{opening}\n{inside}" + f",\n{inside}".join(parts) + f"\n{' ' * depth}{closing}"


def commit() -> str:
    """Commit that was measured; with a plus where files were changed since."""
    words = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty=+", "--exclude=*"]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


def machine() -> dict[str, Any]:
    """Return what the numbers were measured on."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": multiprocessing.cpu_count(),
    }
