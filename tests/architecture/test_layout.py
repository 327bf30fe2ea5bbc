"""The five parts form one namespace, and what every part must have is there."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARTS = ("data", "features", "models", "pipelines", "serving")
MODULES = [path for part in PARTS for path in sorted((ROOT / part / "aftercast").rglob("*.py"))]


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


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_opens_with_a_sentence(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    docstring = ast.get_docstring(ast.parse(text)) if text.strip() else "empty"
    assert docstring


def _imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize(
    ("library", "allowed"),
    [
        ("mlflow", ("models/aftercast/models/registry/",)),
        ("prefect", ("pipelines/",)),
        ("fastapi", ("serving/",)),
        ("typer", ("pipelines/aftercast/cli/",)),
        ("deltalake", ("data/aftercast/data/store/",)),
    ],
)
def test_a_framework_is_imported_only_at_its_rim(library: str, allowed: tuple[str, ...]) -> None:
    users = [str(path.relative_to(ROOT)) for path in MODULES if library in _imports(path)]
    assert users, f"nothing imports {library}: the rule is out of date"
    assert [user for user in users if not user.startswith(allowed)] == []


def test_one_module_reads_the_environment() -> None:
    readers = [
        str(path.relative_to(ROOT))
        for path in MODULES
        if any(word in path.read_text(encoding="utf-8") for word in ("os.environ.get", "os.getenv", "environ["))
    ]
    assert readers == ["data/aftercast/operations/environment.py"]
