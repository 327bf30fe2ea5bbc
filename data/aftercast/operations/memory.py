"""Memory of processes that run for months."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from typing import Final

M_ARENA_MAX: Final = -8
"""Number of the parameter in glibc's malloc.h."""
ARENAS: Final = 2


def limit_held_memory() -> None:
    """Let the threads of this process share two of glibc's arenas, and Arrow allocate there too; the first thing to do.

    By default each new thread gets an arena of its own, up to eight for each core, and each keeps what was freed in it
    (mallopt(3)); Arrow's own allocator keeps the pages of threads that have ended. A process whose threads come and go
    all day then holds more and more that it does not use. Where there is no glibc only Arrow is told.

    Arrow reads its variable once, when it is loaded. Loaded already, it still reads files with its own allocator, and
    only what Python asks it for is allocated with the others.
    """
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, ARENAS)
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")  # noqa: TID251 - Arrow's own variable, before it is loaded
    import pyarrow as pa  # noqa: PLC0415 - it reads the variable now

    pa.set_memory_pool(pa.system_memory_pool())


def give_back_memory() -> None:
    """Give pages that hold nothing back to the system, after work that took many of them (malloc_trim(3)).

    It takes some milliseconds; elsewhere than with glibc nothing happens.
    """
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
