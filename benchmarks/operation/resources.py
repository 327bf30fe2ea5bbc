"""What a process holds over time, and whether it grows."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import psutil
from benchmarks.operation.processes import Part
from scipy import stats

BLOCKS: Final = 12
CONFIDENCE: Final = 0.95
Verdict = Literal["flat", "grows", "undecided"]


@dataclass(frozen=True)
class Sample:
    """What a process held at a moment.

    Attributes
    ----------
    at_s
        Seconds since the first sample.
    own_mb
        Memory only this process holds the content of: heap, stacks (RssAnon in proc(5)).
    rss_mb
        With the pages of files and libraries it has touched so far, which the system can drop at any time.
    """

    at_s: float
    own_mb: float
    rss_mb: float
    descriptors: int
    threads: int


@dataclass(frozen=True)
class Trend:
    """Straight line through a quantity over time.

    Attributes
    ----------
    per_hour, lower, upper
        Slope, and the ends of its 95 % interval.
    """

    per_hour: float
    lower: float
    upper: float

    def verdict(self, bound: float) -> Verdict:
        """Flat where the whole interval lies at or below a slope, grows where it lies above."""
        if self.upper <= bound:
            return "flat"
        return "grows" if self.lower > bound else "undecided"


@contextmanager
def watching(parts: Sequence[Part], every_s: float) -> Iterator[Mapping[str, list[Sample]]]:
    """Sample running parts for the length of a with block; samples by the name of the part."""
    found: dict[str, list[Sample]] = {part.name: [] for part in parts}
    stop, began = threading.Event(), time.monotonic()

    def watch() -> None:
        processes = {part.name: psutil.Process(part.process.pid) for part in parts if part.process is not None}
        while not stop.is_set():
            for name, process in processes.items():
                found[name].append(take_sample(process, time.monotonic() - began))
            stop.wait(every_s)

    watcher = threading.Thread(target=watch, name="watcher")
    watcher.start()
    try:
        yield found
    finally:
        stop.set()
        watcher.join()


def take_sample(process: psutil.Process, at_s: float) -> Sample:
    """What a process holds now."""
    with process.oneshot():
        memory = process.memory_info()
        own, whole = (round(pages / 2**20, 2) for pages in (memory.rss - memory.shared, memory.rss))
        return Sample(round(at_s, 1), own, whole, process.num_fds(), process.num_threads())


def trend(at_s: Sequence[float], values: Sequence[float]) -> Trend:
    """Line through the least of each of :data:`BLOCKS` equal stretches of time.

    What is lost is there at every moment and lifts the least as fast as the mean; what work takes for a moment, more
    where there are more data, does not. Neighbouring samples are alike, so an interval from single ones would be
    far too narrow; stretches longer than that likeness are nearly independent (as batch means, Law 2015, section 9.5).

    Raises
    ------
    ValueError
        If there are fewer samples than stretches.
    """
    if len(at_s) < BLOCKS:
        raise ValueError(f"{len(at_s)} samples are too few, {BLOCKS} are needed")
    hours = [float(np.mean(block)) / 3600 for block in np.array_split(np.asarray(at_s, dtype=float), BLOCKS)]
    least = [float(np.min(block)) for block in np.array_split(np.asarray(values, dtype=float), BLOCKS)]
    if min(least) == max(least):
        return Trend(0.0, 0.0, 0.0)
    line = stats.linregress(hours, least)
    reach = float(stats.t.ppf(0.5 + CONFIDENCE / 2, BLOCKS - 2)) * float(line.stderr)
    slope = float(line.slope)
    return Trend(slope, slope - reach, slope + reach)
