"""The container's locks have what the service and the build need, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import Distribution, distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from scripts.audit_dependencies import LOCK, SHIPPED, check_hashes, check_subset, normalise, read_lock
from tests.deploy.container import ROOT, instructions

BUILDING = ROOT / "deploy" / "build.lock"
EXTRAS = ("postgres", "tracing")
OLDEST = {"python_version": "3.11", "python_full_version": "3.11.0"}
"""The Python that the locks are resolved for; a later patch release may need less."""


def needs(name: str, extras: Iterable[str]) -> set[str]:
    """Names of all distributions that an installed one needs, through others too."""
    there: dict[str, Distribution] = {}
    for distribution in distributions():
        there.setdefault(normalise(distribution.name), distribution)
    waiting, seen = [(name, extra) for extra in ("", *extras)], set[tuple[str, str]]()
    while waiting:
        asked = waiting.pop()
        if asked in seen:
            continue
        seen.add(asked)
        for requirement in map(Requirement, there[asked[0]].requires or []):
            if requirement.marker is None or requirement.marker.evaluate({**OLDEST, "extra": asked[1]}):
                waiting += [(normalise(requirement.name), extra) for extra in ("", *requirement.extras)]
    return {found for found, _ in seen} - {name}


def test_the_service_gets_all_that_it_needs_and_nothing_else() -> None:
    assert set(read_lock(SHIPPED)) == needs("aftercast", EXTRAS)


def test_the_build_gets_all_that_it_needs_and_nothing_else() -> None:
    assert set(read_lock(BUILDING)) == needs("hatchling", ()) | {"hatchling"}


def test_the_build_uses_what_was_tested() -> None:
    building = read_lock(BUILDING)
    assert list(check_subset(building, read_lock(LOCK))) == []
    assert list(check_hashes(building)) == []


@pytest.mark.parametrize("path", [LOCK, SHIPPED, BUILDING], ids=lambda path: path.name)
def test_a_lock_names_no_place_to_fetch_from(path: Path) -> None:
    text = path.read_text()
    assert "://" not in text
    assert " @ " not in text
    assert all(line.startswith("    --hash=sha256:") or "==" in line for line in text.splitlines())


def test_the_container_file_installs_these_locks() -> None:
    installs = [i.exec_form() for i in instructions(ROOT / "Dockerfile") if i.word == "RUN" and '"-r"' in i.rest]
    assert [words[words.index("-r") + 1] for words in installs] == ["deploy/build.lock", "deploy/serve.lock"]
