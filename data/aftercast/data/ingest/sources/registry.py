"""The sources, found by looking into this folder: a module with a ``SOURCE`` is one."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from typing import Final

from aftercast.data.ingest import sources
from aftercast.data.ingest.sources.source import Source
from aftercast.operations.errors import InputError
from aftercast.operations.spelling import suggestion


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
    raise InputError(f"There is no source '{name}'.", suggestion(name, SOURCES, "Sources"))
