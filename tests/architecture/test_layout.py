"""The packages form one namespace, what each must have is there, and no string passes by the layers.

import-linter checks imports by the contracts in ``pyproject.toml``, ruff the docstrings and who reads the environment.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARTS = ("data", "features", "models", "pipelines", "serving")
MODULES = [path for part in PARTS for path in sorted((ROOT / part / "aftercast").rglob("*.py"))]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
LAYERS = [[name.strip().split(".")[1] for name in layer.split("|")] for layer in CONTRACTS[0]["layers"]]
"""Packages by layer, the highest first."""
NAMED = re.compile(r"\baftercast\.([a-z_]+)")
"""A package of ours in a text."""


@pytest.mark.parametrize("part", PARTS)
def test_no_part_closes_the_namespace(part: str) -> None:
    assert not (ROOT / part / "aftercast" / "__init__.py").exists()


def test_every_package_ships_its_types() -> None:
    packages = [folder for part in PARTS for folder in (ROOT / part / "aftercast").iterdir() if folder.is_dir()]
    assert [folder for folder in packages if not (folder / "py.typed").is_file()] == []


@pytest.mark.parametrize("part", [*PARTS, "tests"])
def test_every_top_level_folder_says_what_lives_in_it_in_twenty_lines(part: str) -> None:
    lines = (ROOT / part / "README.md").read_text(encoding="utf-8").splitlines()
    assert 3 <= len(lines) <= 20


def test_every_package_stands_in_a_layer() -> None:
    packages = {folder.name for part in PARTS for folder in (ROOT / part / "aftercast").iterdir() if folder.is_dir()}
    assert packages == {name for layer in LAYERS for name in layer}


def test_no_text_names_a_package_above_or_beside_its_own() -> None:
    """Docstrings and messages included: what a text names, importlib, uvicorn or a pickle could import."""
    found = [
        f"{path.relative_to(ROOT)}:{text.lineno} names '{named}'"
        for path in MODULES
        for text in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(text, ast.Constant) and isinstance(text.value, str)
        for named in NAMED.findall(text.value)
        if named in above(package_of(path))
    ]
    assert found == []


def test_importlib_is_given_a_neighbour_or_a_name_that_can_be_read() -> None:
    """A neighbour by the name of an imported module, anything else as a constant, which the other test reads."""
    found = [
        f"{path.relative_to(ROOT)}:{call.lineno} {ast.unparse(call.args[0])}"
        for path in MODULES
        for call in calls_of_importlib(path)
        if not is_neighbour(call.args[0]) and not isinstance(call.args[0], ast.Constant)
    ]
    assert found == []


def package_of(path: Path) -> str:
    """Package that a module lies in."""
    return path.relative_to(ROOT).parts[2]


def above(package: str) -> set[str]:
    """Packages that this one may not import."""
    allowed: set[str] = {package}
    for layer in LAYERS[::-1]:
        if package in layer:
            break
        allowed |= set(layer)
    return {name for layer in LAYERS for name in layer} - allowed


def calls_of_importlib(path: Path) -> Iterator[ast.Call]:
    """Calls of import_module and __import__ in a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            yield node


def is_neighbour(name: ast.expr) -> bool:
    """Whether a name begins with that of a module that is itself imported, or is the module at hand."""
    if not isinstance(name, ast.JoinedStr) or not isinstance(name.values[0], ast.FormattedValue):
        return False
    return ast.unparse(name.values[0].value).endswith(("__name__", "__package__"))
