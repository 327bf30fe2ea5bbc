"""Independent pieces of work side by side: one LightGBM thread each, which never stall one another as a team does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")


def in_threads(work: Callable[..., Result], arguments: Sequence[tuple[object, ...]], workers: int) -> list[Result]:
    """Results of ``work(*a)`` for every a, in their order; LightGBM lets go of Python's lock while it computes.

    The results do not depend on the number of workers, because each piece of work is single-threaded.
    """
    if workers <= 1 or len(arguments) <= 1:
        return [work(*each) for each in arguments]
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(lambda each: work(*each), arguments))
