"""Packages, rooms and who imports whom, read from the code; the layers are those of the import contract."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import grimp
from scripts.architecture.calls import ROOT, Code, Place, follow

PURPOSE: Final = {
    "cli": "the commands that people type",
    "serving": "the REST service",
    "pipelines": "jobs that run by hand or by a schedule",
    "models": "from examples to a forecast and its words",
    "features": "what was known at a cutoff, and what happened after it",
    "data": "what came in, checked and stored",
    "operations": "settings, errors, clocks, operational tables, keys, audit log",
}
ROUTE: Final = "aftercast.serving.routes"
WAYS: Final = {
    "A question": (Place(f"{ROUTE}.risks", "handler"),),
    "A record": (Place(f"{ROUTE}.records", "records"), Place("aftercast.pipelines.drain", "run_drain")),
    "A training": (Place("aftercast.cli.commands.train", "train"),),
}
"""The first functions of each way; what they call is found by reading the code."""
SHOWN_KIND: Final = Place("aftercast.models.kinds.failure", "KIND")
"""Where the code takes any kind of model, the ways show this one."""


@dataclass(frozen=True)
class Package:
    """One package: its rooms (folders) in the order in which data passes, and its modules outside of rooms."""

    name: str
    rooms: Mapping[str, Sequence[str]]
    modules: Sequence[str]


@dataclass(frozen=True)
class House:
    """All packages from the top layer to the lowest, and the number of imports from one to another."""

    packages: Sequence[Package]
    imports: Mapping[tuple[str, str], int]


@dataclass(frozen=True)
class Step:
    """A room on a way and the modules entered in it, in the order of their first call."""

    package: str
    room: str
    modules: Sequence[str]


def read_house() -> House:
    """Read the packages and count the import statements between them."""
    names = _layers()
    graph = grimp.build_graph(*(f"aftercast.{name}" for name in names))
    pairs = [(a, b) for a in sorted(graph.modules) for b in sorted(graph.find_modules_directly_imported_by(a))]
    between = Counter((_package(a), _package(b)) for a, b in pairs if _package(a) != _package(b))
    rooms = Counter((_room(a), _room(b)) for a, b in pairs)
    return House([_read_package(name, sorted(graph.modules), rooms) for name in names], between)


def read_ways() -> Mapping[str, Sequence[Step]]:
    """Follow the calls of each way.

    Raises
    ------
    LookupError
        If a function that a way begins with is not there any more.
    """
    code = Code(SHOWN_KIND)
    packages = {name.rpartition(".")[0] for name in code.modules}
    found = {}
    for title, starts in WAYS.items():
        for start in starts:
            if code.resolve(*start) is None:
                message = f"{start.module} has no {start.name}: give the way {title!r} another start in {__name__}."
                raise LookupError(message)
        entered = _middlewares(code) if title == "A question" else []
        found[title] = _steps(dict.fromkeys(place.module for place in follow(code, [*entered, *starts])), packages)
    return found


def _layers() -> list[str]:
    """Packages from the highest to the lowest, as import-linter is told."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    layers = next(each["layers"] for each in contracts if each["type"] == "layers")  # the first is of the packages
    return [name.strip().removeprefix("aftercast.") for layer in layers for name in layer.split("|")]


def _middlewares(code: Code) -> list[Place]:
    return list(code.modules["aftercast.serving.app"].arguments_of("Middleware", code))


def _package(module: str) -> str:
    return module.split(".")[1]


def _room(module: str) -> str:
    return ".".join(module.split(".")[1:3])


def _read_package(name: str, modules: Sequence[str], imports: Mapping[tuple[str, str], int]) -> Package:
    inside = [module.split(".")[2:] for module in modules if module.startswith(f"aftercast.{name}.")]
    folders = sorted({parts[0] for parts in inside if len(parts) > 1})
    packages = {tuple(parts[:-1]) for parts in inside if len(parts) > 1}
    ordered = in_data_order(
        folders, {(a, b): imports.get((f"{name}.{a}", f"{name}.{b}"), 0) for a in folders for b in folders}
    )
    return Package(
        name,
        {room: sorted({path[1] for path in packages if len(path) > 1 and path[0] == room}) for room in ordered},
        [parts[0] for parts in inside if len(parts) == 1 and parts[0] not in folders],
    )


def in_data_order(rooms: Sequence[str], imports: Mapping[tuple[str, str], int]) -> Sequence[str]:
    """Order in which as few imports as possible lead to a later room: what is imported comes first.

    Parameters
    ----------
    imports
        Number of imports by (importing room, imported room).
    """

    @cache
    def best(placed: frozenset[str]) -> tuple[int, tuple[str, ...]]:
        options = []
        for last in placed:
            before = placed - {last}
            cost, order = best(before)
            options.append((cost + sum(imports.get((room, last), 0) for room in before), (*order, last)))
        return min(options, default=(0, ()))

    return best(frozenset(rooms))[1]


def _steps(modules: Mapping[str, None], packages: Collection[str]) -> list[Step]:
    rooms: dict[tuple[str, str], list[str]] = {}
    for module in modules:
        _, package, *inside = module.split(".")
        room = inside[0] if len(inside) > 1 or module in packages else ""
        rooms.setdefault((package, room), []).append(".".join(inside[1:] if len(inside) > 1 else inside) or package)
    return [Step(package, room, names) for (package, room), names in rooms.items()]
