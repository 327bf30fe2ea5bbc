"""The container's locks are a part of the one the tests run with: what the service and the build need, nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.metadata import Distribution, distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tests.deploy.container import ROOT, instructions

LOCK = ROOT / "requirements.lock"
SHIPPED, BUILDING = ROOT / "deploy" / "serve.lock", ROOT / "deploy" / "build.lock"
MADE_HERE = {"aftercast", "pip", "setuptools"}
"""Distributions of an environment that come from no lock."""
EXTRAS = ("postgres", "tracing")
OLDEST = {"python_version": "3.11", "python_full_version": "3.11.0"}
"""The Python that the locks are resolved for; a later patch release may need less."""


def pins(path: Path) -> dict[str, tuple[str, frozenset[str]]]:
    """Version and hashes of each distribution of a lock, by its name as indexes compare it."""
    lines = path.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    read = [re.match(r"([\w.-]+)==(\S+) .*--hash=sha256:[0-9a-f]{64}$", line.rstrip()) for line in lines]
    assert None not in read, "a line is no version with hashes"
    return {
        canonicalize_name(found[1]): (found[2], frozenset(re.findall(r"--hash=sha256:([0-9a-f]{64})\b", found[0])))
        for found in read
        if found
    }


def needs(name: str, extras: Iterable[str]) -> set[str]:
    """Names of all distributions that an installed one needs, through others too."""
    there: dict[str, Distribution] = {}
    for distribution in distributions():
        there.setdefault(canonicalize_name(distribution.name), distribution)
    waiting, seen = [(name, extra) for extra in ("", *extras)], set[tuple[str, str]]()
    while waiting:
        asked = waiting.pop()
        if asked in seen:
            continue
        seen.add(asked)
        for requirement in map(Requirement, there[asked[0]].requires or []):
            if requirement.marker is None or requirement.marker.evaluate({**OLDEST, "extra": asked[1]}):
                waiting += [(canonicalize_name(requirement.name), extra) for extra in ("", *requirement.extras)]
    return {found for found, _ in seen} - {name}


def test_the_service_gets_all_that_it_needs_and_nothing_else() -> None:
    assert set(pins(SHIPPED)) == needs("aftercast", EXTRAS)


def test_the_build_gets_all_that_it_needs_and_nothing_else() -> None:
    assert set(pins(BUILDING)) == needs("hatchling", ()) | {"hatchling"}


@pytest.mark.parametrize("path", [SHIPPED, BUILDING], ids=lambda path: path.name)
def test_what_is_installed_into_the_image_is_what_was_tested(path: Path) -> None:
    assert pins(path).items() <= pins(LOCK).items()


def test_what_the_tests_run_with_is_what_the_lock_names() -> None:
    installed = {canonicalize_name(each.name): each.version for each in distributions()}
    locked = {name: version for name, (version, _) in pins(LOCK).items()}
    assert {name: installed[name] for name in installed.keys() - MADE_HERE}.items() <= locked.items()


@pytest.mark.parametrize("path", [LOCK, SHIPPED, BUILDING], ids=lambda path: path.name)
def test_a_lock_names_no_place_to_fetch_from(path: Path) -> None:
    text = path.read_text()
    assert "://" not in text
    assert " @ " not in text
    assert all(line.startswith("    --hash=sha256:") or "==" in line for line in text.splitlines())


def test_the_container_file_installs_these_locks() -> None:
    installs = [i.exec_form() for i in instructions(ROOT / "Dockerfile") if i.word == "RUN" and '"-r"' in i.rest]
    assert [words[words.index("-r") + 1] for words in installs] == ["deploy/build.lock", "deploy/serve.lock"]
