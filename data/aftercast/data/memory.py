"""Memory of processes that run for months."""

from __future__ import annotations

import ctypes
from contextlib import suppress
from typing import Final

M_ARENA_MAX: Final = -8
"""Number of the parameter in glibc's malloc.h."""
ARENAS: Final = 2


def share_arenas() -> None:
    """Let the threads of this process share two of glibc's arenas; elsewhere nothing happens.

    By default each new thread gets one of its own, up to eight for each core, and each keeps what was freed in it. A
    service whose models and rows are replaced all day then holds several times what it uses (mallopt(3)).
    """
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, ARENAS)
