"""One file per noun: each has a ``router``, or makes one by ``make_router``; the application discovers them.

Handlers are plain functions: they compute, so they run in the thread pool and the event loop stays free for probes.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

from fastapi import APIRouter


def discover() -> Iterator[APIRouter]:
    """Routers of all modules of this package, by name."""
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda found: found.name):
        found = importlib.import_module(f"{__name__}.{module.name}")
        yield found.make_router() if hasattr(found, "make_router") else found.router
