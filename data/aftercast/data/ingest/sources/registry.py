"""The sources, found by looking into this folder: a module with a ``SOURCE`` is one."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Mapping
from typing import Final

from aftercast.data.ingest import sources
from aftercast.data.ingest.sources.source import Source
from aftercast.operations.errors import InputError


def _discover() -> dict[str, Source]:
    names = sorted(module.name for module in pkgutil.iter_modules(sources.__path__) if module.name != "registry")
    modules = [importlib.import_module(f"{sources.__name__}.{name}") for name in names]
    found = [module.SOURCE for module in modules if hasattr(module, "SOURCE")]
    return {source.name: source for source in found}


SOURCES: Final[Mapping[str, Source]] = _discover()


def get_source(name: str) -> Source:
    """Return the source of this name; raises InputError naming the nearest."""
    if name in SOURCES:
        return SOURCES[name]
    near = difflib.get_close_matches(name, SOURCES, n=1, cutoff=0.3)
    hint = f"Did you mean '{near[0]}'? " if near else ""
    raise InputError(f"There is no source '{name}'.", f"{hint}Sources: {', '.join(SOURCES)}.")
