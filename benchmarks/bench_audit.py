"""What recording an answer costs, and how fast the log is verified: beside a plain log, forced writes, SQLite.

Each writer takes the same entries, of the size that an answer about one device leaves, one after the other. A write
that is with the operating system survives the death of the process; a forced one also a power failure.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import numpy as np
from benchmarks.harness import keep
from rich.console import Console
from rich.table import Table

from aftercast.operations.audit import AuditLog, verify
from aftercast.operations.database.engine import open_database

ENTRY: Final = json.dumps(
    {
        "request_id": "6f7a5f84d58442df9c8c70ccecbf7518",
        "key_id": "9f32142d",
        "kind": "failure",
        "horizon": "7d",
        "model_version": "3",
        "run_id": "0d6f6f1b1c7a4f5c9a5f1f3c7f0f2a11",
        "answer_sha256": hashlib.sha256(b"answer").hexdigest(),
        "answers": [{"id": "D0017", "probability": 0.0312, "component": "pump", "evidence": "telemetry"}],
    }
).encode()
CHUNK: Final = 1 << 20
Append = Callable[[], object]


@contextmanager
def ours(folder: Path) -> Iterator[Append]:
    """Our log: chained, with the operating system before the call returns, forced in the background."""
    with AuditLog(folder / "audit", segment_bytes=64_000_000) as log:
        yield lambda: log.append("prediction", ENTRY)


@contextmanager
def plain(folder: Path) -> Iterator[Append]:
    """Lines without a chain: the floor."""
    file = os.open(folder / "plain.jsonl", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    try:
        yield lambda: os.write(file, ENTRY + b"\n")
    finally:
        os.close(file)


@contextmanager
def forced(folder: Path) -> Iterator[Append]:
    """Lines without a chain, each forced to the disk."""
    file = os.open(folder / "forced.jsonl", os.O_CREAT | os.O_APPEND | os.O_WRONLY)

    def append() -> None:
        os.write(file, ENTRY + b"\n")
        os.fsync(file)

    try:
        yield append
    finally:
        os.close(file)


@contextmanager
def sqlite(folder: Path) -> Iterator[Append]:
    """A row of SQLite for each entry (WAL, synchronous NORMAL): survives the process, not chained."""
    with closing(sqlite3.connect(folder / "audit.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("CREATE TABLE entries (seq INTEGER PRIMARY KEY, content BLOB)")
        yield lambda: connection.execute("INSERT INTO entries (content) VALUES (?)", (ENTRY,))


WRITERS: Final = {"aftercast": ours, "lines, no chain": plain, "SQLite, no chain": sqlite, "lines, each forced": forced}


def time_appends(writer: Append, count: int) -> np.ndarray:
    """Microseconds of each append."""
    took = np.empty(count)
    for i in range(count):
        began = time.perf_counter_ns()
        writer()
        took[i] = (time.perf_counter_ns() - began) / 1000
    return took


def time_verification(folder: Path) -> tuple[float, float, int]:
    """Seconds to verify the log of a folder and to hash its bytes once, and how many bytes those are."""
    engine = open_database("sqlite:///aftercast.db", folder)
    began = time.perf_counter()
    found = verify(folder / "audit", engine)
    verified_s = time.perf_counter() - began
    if not found.whole:
        raise RuntimeError("the log that was just written is not whole")
    engine.dispose()
    began, size = time.perf_counter(), 0
    for segment in sorted((folder / "audit").glob("*.jsonl")):
        digest = hashlib.sha256()
        with segment.open("rb") as file:
            while part := file.read(CHUNK):
                digest.update(part)
                size += len(part)
    return verified_s, time.perf_counter() - began, size


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks audit", description=__doc__)
    parser.add_argument("--entries", type=int, default=200_000)
    parser.add_argument("--forced", type=int, default=2_000, help="entries of the writer that forces each")
    asked = parser.parse_args()
    table = Table("writer", "p50 us", "p99 us", "entries/s", title="appending")
    kept: dict[str, object] = {}
    with tempfile.TemporaryDirectory(prefix="aftercast-audit-") as name:
        folder = Path(name)
        for what, make in WRITERS.items():
            with make(folder) as writer:
                writer()
                took = time_appends(writer, asked.forced if make is forced else asked.entries)
            p50, p99 = np.quantile(took, [0.5, 0.99])
            table.add_row(what, f"{p50:.1f}", f"{p99:.1f}", f"{1e6 / took.mean():,.0f}")
            kept[what] = {"p50_us": round(float(p50), 2), "p99_us": round(float(p99), 2)}
        verified_s, hashed_s, size = time_verification(folder)
    speeds = {"verified_mb_per_s": size / verified_s / 1e6, "hashed_once_mb_per_s": size / hashed_s / 1e6}
    Console().print(table)
    print(f"verifying {size / 1e6:.0f} MB: {speeds['verified_mb_per_s']:.0f} MB/s", end="; ")
    print(f"hashing the same bytes once: {speeds['hashed_once_mb_per_s']:.0f} MB/s")
    keep("audit", {**kept, "megabytes": size / 1e6, **speeds})


if __name__ == "__main__":
    main()
