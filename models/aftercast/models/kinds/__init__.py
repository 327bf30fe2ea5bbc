"""Kinds of models, one folder each, found by looking into this folder: a folder with a ``KIND`` is a kind.

Importing this module loads no kind, so that the command line can name them all and still start at once.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING, cast

from aftercast.operations.errors import InputError

if TYPE_CHECKING:
    from aftercast.models.kind import Kind
    from aftercast.models.kinds.hazards import HazardKind

__all__ = ["every_kind", "hazard_kind", "kind_names", "kind_of"]

_LOADED: dict[str, Kind] = {}


def kind_names() -> tuple[str, ...]:
    """Names of all kinds, in the order of the alphabet; a folder ``remaining_life`` is the kind ``remaining-life``."""
    folders = (found.name for found in pkgutil.iter_modules(__path__) if found.ispkg)
    return tuple(sorted(folder.replace("_", "-") for folder in folders))


def kind_of(name: str) -> Kind:
    """Return the kind of a name.

    Raises
    ------
    InputError
        If there is no such kind.
    """
    if name not in _LOADED:
        if name not in kind_names():
            raise InputError(f"There is no kind '{name}' of model.", f"There are: {', '.join(kind_names())}.")
        _LOADED[name] = importlib.import_module(f"{__name__}.{name.replace('-', '_')}").KIND
    return _LOADED[name]


def every_kind() -> tuple[Kind, ...]:
    """All kinds, in the order of their names."""
    return tuple(kind_of(name) for name in kind_names())


def hazard_kind(name: str) -> HazardKind:
    """Return the kind of a name, which has to forecast events by horizons.

    Raises
    ------
    InputError
        If there is no such kind, or it forecasts something else.
    """
    found = kind_of(name)
    if found.shape != "hazard":
        raise InputError(f"The kind '{name}' gives no probabilities by horizon.", f"It gives {found.about}")
    return cast("HazardKind", found)
