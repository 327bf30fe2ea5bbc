"""Source lines, functions, files and import cycles by package, of an earlier commit and now."""

from __future__ import annotations

import argparse
import ast
import io
import statistics
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

ROOT: Final = Path(__file__).parents[1]
PACKAGES: Final = ("operations", "data", "features", "models", "planning", "care", "pipelines", "cli", "serving")
LONG: Final = 50
"""Lines above which a function counts as long."""
MOVED: Final = {
    "data/audit": "operations",
    "data/records": "operations",
    "data/migrations": "operations",
    **{f"data/{name}.py": "operations" for name in ("clocks", "strict", "errors", "settings", "memory", "issuer")},
    "data/log_lines.py": "operations",
    "features/trajectories": "models",
    "features/leakage": "models",
    "pipelines/explain.py": "models",
    "pipelines/cli": "cli",
    "pipelines/doctor": "cli",
    "pipelines/workers.py": "serving",
}
"""Where what lay here before operations and the command line had packages of their own now belongs."""


@dataclass(frozen=True)
class Part:
    """What is counted of a package."""

    files: tuple[int, ...]
    functions: tuple[int, ...]
    cycles: int

    @property
    def lines(self) -> int:
        """Source lines, blank ones and comments included."""
        return sum(self.files)


def counted(tree: Path) -> dict[str, Part]:
    """Counts of every package of a tree, and of the tests."""
    sources = {path: _package(path, tree) for path in sorted(tree.glob("*/aftercast/*/**/*.py"))}
    looping = _cycles(list(sources))
    found = {
        package: _part([path for path, each in sources.items() if each == package], looping) for package in PACKAGES
    }
    return {**found, "tests": _part(sorted((tree / "tests").rglob("*.py")), set())}


def _package(path: Path, tree: Path) -> str:
    inside = Path(*path.relative_to(tree).parts[2:])
    old_layout = not (tree / "data" / "aftercast" / "operations").exists()
    places = [str(inside), *(str(parent) for parent in inside.parents)] if old_layout else []
    return next((MOVED[place] for place in places if place in MOVED), inside.parts[0])


def _part(paths: list[Path], looping: set[Path]) -> Part:
    texts = [path.read_text(encoding="utf-8") for path in paths]
    functions = [length for text in texts for length in _functions(text)]
    return Part(tuple(text.count("\n") for text in texts), tuple(functions), sum(path in looping for path in paths))


def _functions(text: str) -> Iterator[int]:
    """Lines of each function, from its name to its end, its docstring left out."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            said = node.body[0] if ast.get_docstring(node) is not None else None
            yield _lines(node) - (_lines(said) if said else 0)


def _lines(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _cycles(paths: list[Path]) -> set[Path]:
    """Modules that import themselves through others when they are loaded."""
    modules = {_module(path): path for path in paths}
    imports = {name: set(_imported(path, modules)) - {name} for name, path in modules.items()}
    return {path for name, path in modules.items() if name in _reached(name, imports)}


def _module(path: Path) -> str:
    parts = path.with_suffix("").parts
    names = parts[parts.index("aftercast") :]
    return ".".join(names[:-1] if names[-1] == "__init__" else names)


def _imported(path: Path, modules: dict[str, Path]) -> Iterator[str]:
    """Modules of ours that a module imports when it is loaded: not those of its functions, nor for types alone."""
    waiting = list(ast.parse(path.read_text(encoding="utf-8")).body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom) and node.module:
            named = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from (each if each in modules else node.module for each in named if {each, node.module} & {*modules})
        elif isinstance(node, ast.If | ast.Try | ast.With) and not _for_types(node):
            waiting += node.body


def _for_types(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def _reached(start: str, imports: dict[str, set[str]]) -> set[str]:
    reached: set[str] = set()
    waiting = [*imports[start]]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += imports[name]
    return reached


def at_revision(revision: str) -> dict[str, Part]:
    """Counts at a commit."""
    packed = subprocess.run(["git", "archive", revision], cwd=ROOT, check=True, capture_output=True).stdout
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(folder, filter="data")
        return counted(Path(folder))


def show(before: dict[str, Part] | None, now: dict[str, Part]) -> None:
    """Print a line for each package, before and now where there is a before."""
    headings = ("lines", "files", "median file", "functions", "median", f"over {LONG}", "in import cycles")
    table = Table("package", *headings, title="before -> now" if before else "now")
    for name in (*PACKAGES, "all packages", "tests"):
        sides = [_cells(_chosen(each, name)) for each in (before, now) if each is not None]
        table.add_row(name, *(_change(cells) for cells in zip(*sides, strict=True)))
    Console(width=140).print(table)


def _chosen(found: dict[str, Part], name: str) -> Part:
    if name in found:
        return found[name]
    parts = [found[package] for package in PACKAGES]
    files = tuple(length for part in parts for length in part.files)
    functions = tuple(length for part in parts for length in part.functions)
    return Part(files, functions, sum(part.cycles for part in parts))


def _cells(part: Part) -> list[int]:
    files, functions = (int(statistics.median(each)) if each else 0 for each in (part.files, part.functions))
    long = sum(length > LONG for length in part.functions)
    return [part.lines, len(part.files), files, len(part.functions), functions, long, part.cycles]


def _change(cells: tuple[int, ...]) -> str:
    return f"{cells[0]:,}" if len(set(cells)) == 1 else f"{cells[0]:,} -> {cells[1]:,}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks source-lines", description=__doc__)
    parser.add_argument("--before", metavar="REV", help="commit to compare with")
    asked = parser.parse_args()
    show(at_revision(asked.before) if asked.before else None, counted(ROOT))


if __name__ == "__main__":
    main()
