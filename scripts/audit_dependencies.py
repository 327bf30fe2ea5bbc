"""Audit the dependencies without a network: hashed, installed as locked, from wheels, and licensed as we allow.

Known vulnerabilities are not looked up here, because that asks a database on the internet: `make audit` runs pip-audit
over the same locks where it is installed.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).parents[1]
WHOLE: Final = ROOT / "requirements.lock"
SHIPPED: Final = ROOT / "deploy" / "serve.lock"
BUILDING: Final = ROOT / "deploy" / "build.lock"
EXTRAS: Final = frozenset({"postgres", "tracing"})
"""Extras of the project that the container has."""
OLDEST: Final = {"python_version": "3.11", "python_full_version": "3.11.0"}
"""The Python that the locks are resolved for; a later patch release may need less."""
UNLOCKED: Final = frozenset({"aftercast", "pip", "setuptools"})
"""Ourselves, and what an empty environment begins with."""

PERMISSIVE: Final = frozenset(
    {
        "0BSD",
        "Apache-2.0",
        "Apache-2.0 WITH LLVM-exception",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "CC0-1.0",
        "CNRI-Python",
        "ISC",
        "MIT",
        "MIT-0",
        "MIT-CMU",
        "PSF-2.0",
        "Zlib",
    }
)
USED_UNCHANGED: Final = frozenset({"LGPL-3.0-only", "MPL-2.0", "Artistic-1.0-Perl"})
"""They bind who changes the library itself; we import it as its authors publish it, and anyone can replace it."""
ALLOWED: Final = PERMISSIVE | USED_UNCHANGED

CLASSIFIERS: Final[Mapping[str, str]] = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
FREE_TEXTS: Final[Mapping[str, str]] = {"3-Clause BSD License": "BSD-3-Clause"}
READ: Final[Mapping[str, tuple[str, str]]] = {
    "huey": ("MIT", "LICENSE: permission is hereby granted, free of charge"),
    "skops": ("MIT", "LICENSE: MIT License (MIT)"),
    "text-unidecode": (
        "Artistic-1.0-Perl OR GPL-2.0-or-later",
        "LICENSE.txt: it and/or modify it under the terms of either",
    ),
}
"""Distributions whose metadata do not say it, or not clearly: their licence as read in the file, and how it begins."""


@dataclass(frozen=True)
class Pin:
    """One requirement of a lock."""

    version: str
    hashes: frozenset[str]


def read_lock(path: Path) -> dict[str, Pin]:
    """Pins of a lock by name; raises ValueError where a line is anything but a name, a version and its hashes."""
    text = re.sub(r"\\\n\s*", " ", path.read_text(encoding="utf-8"))
    found: dict[str, Pin] = {}
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        first, *rest = line.split()
        name, equals, version = first.partition("==")
        hashes = [
            word.removeprefix("--hash=sha256:") for word in rest if re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", word)
        ]
        if not equals or not hashes or len(hashes) != len(rest):
            raise ValueError(f"{path.name}: '{first}' is not a version with SHA-256 hashes and nothing else.")
        found[canonicalize_name(name.partition("[")[0])] = Pin(version, frozenset(hashes))
    return found


def installed() -> dict[str, Distribution]:
    """Distributions that this interpreter imports, by name; of two of a name the one that is found first."""
    found: dict[str, Distribution] = {}
    for distribution in distributions():
        found.setdefault(canonicalize_name(distribution.name), distribution)
    return found


def differing(lock: Mapping[str, Pin], there: Mapping[str, Distribution]) -> Iterator[str]:
    """What is installed and not locked, locked and not installed, or of another version."""
    for name in sorted(lock.keys() | there.keys() - UNLOCKED):
        if name not in there:
            yield f"{name} {lock[name].version} is locked and not installed"
        elif name not in lock:
            yield f"{name} {there[name].version} is installed and not locked"
        elif lock[name].version != there[name].version:
            yield f"{name} {there[name].version} is installed, {lock[name].version} is locked"


def outside(part: Mapping[str, Pin], whole: Mapping[str, Pin], where: str) -> Iterator[str]:
    """Pins of a smaller lock that the whole one has not, or with another version or other hashes."""
    return (
        f"{where}: {name} is not what requirements.lock has" for name in sorted(part) if part[name] != whole.get(name)
    )


def unlike_needed(shipped: Iterable[str], there: Mapping[str, Distribution]) -> Iterator[str]:
    """What the container's lock lacks, or has although nothing needs it."""
    needed = needs("aftercast", EXTRAS, there)
    yield from (f"serve.lock lacks {name}" for name in sorted(needed - set(shipped)))
    yield from (f"serve.lock has {name}, which nothing needs" for name in sorted(set(shipped) - needed))


def needs(name: str, extras: Iterable[str], there: Mapping[str, Distribution]) -> set[str]:
    """Names of all distributions that one needs here, through others too; of those not installed the names alone."""
    waiting, seen = [(name, extra) for extra in ("", *extras)], set[tuple[str, str]]()
    while waiting:
        asked = waiting.pop()
        if asked in seen:
            continue
        seen.add(asked)
        for text in (there[asked[0]].requires or []) if asked[0] in there else []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({**OLDEST, "extra": asked[1]}):
                other = canonicalize_name(requirement.name)
                waiting += [(other, extra) for extra in ("", *requirement.extras)]
    return {found for found, _ in seen} - {name}


def not_from_wheels(names: Iterable[str], there: Mapping[str, Distribution]) -> Iterator[str]:
    """Distributions that no wheel brought: building one runs its author's code on the machine that installs."""
    return (f"{name} came without a wheel" for name in sorted(names) if there[name].read_text("WHEEL") is None)


def licence_of(distribution: Distribution) -> str:
    """Licence as an SPDX expression, as far as it can be told; empty where it cannot.

    What we read ourselves, else the expression of the metadata, else the classifiers (all of them apply), else the
    free text.
    """
    name = canonicalize_name(distribution.name)
    if name in READ:
        return READ[name][0]
    about = distribution.metadata
    if about.get("License-Expression"):
        return str(about["License-Expression"])
    classified = [
        text.rpartition(" :: ")[2] for text in about.get_all("Classifier", []) if text.startswith("License ::")
    ]
    if classified:
        return " AND ".join(CLASSIFIERS.get(text, text) for text in classified)
    text = str(about.get("License", "")).strip()
    return FREE_TEXTS.get(text, text if "\n" not in text else "")


def is_allowed(expression: str, allowed: frozenset[str] = ALLOWED) -> bool:
    """Whether an SPDX expression can be kept to: every part of AND, any part of OR; AND binds more tightly.

    Raises
    ------
    ValueError
        If brackets do not match.
    """
    words = re.findall(r"[()]|\bAND\b|\bOR\b|(?:(?!\b(?:AND|OR)\b)[^()])+", expression)
    stack: list[list[str]] = [[]]
    for word in (each.strip() for each in words if each.strip()):
        if word == "(":
            stack.append([])
        elif word == ")":
            inner = stack.pop()
            if not stack:
                raise ValueError(f"Brackets of '{expression}' do not match.")
            stack[-1].append(_judged(inner, allowed))
        else:
            stack[-1].append(word)
    if len(stack) != 1:
        raise ValueError(f"Brackets of '{expression}' do not match.")
    return _judged(stack[0], allowed) == _YES


_YES, _NO = "<yes>", "<no>"


def _judged(words: Sequence[str], allowed: frozenset[str]) -> str:
    """Outcome of an expression without brackets; those that were judged already stand in it as outcomes."""
    alternatives: list[list[str]] = [[]]
    for word in words:
        if word == "OR":
            alternatives.append([])
        elif word != "AND":
            alternatives[-1].append(word)
    kept = any(part and all(each == _YES or each in allowed for each in part) for part in alternatives)
    return _YES if kept else _NO


def ill_licensed(names: Iterable[str], there: Mapping[str, Distribution]) -> Iterator[str]:
    """Distributions whose licence is not allowed or cannot be told."""
    for name in sorted(names):
        licence = licence_of(there[name])
        if not is_allowed(licence):
            yield f"{name}: licence '{licence or 'unknown'}'"


def misread(there: Mapping[str, Distribution]) -> Iterator[str]:
    """Licences that we read once and that no longer stand where we read them."""
    for name, (_, where) in READ.items():
        file, _, beginning = where.partition(": ")
        texts = [str(path.read_text()) for path in there[name].files or [] if path.name.startswith(file)]
        if not any(beginning.lower() in re.sub(r"[`*_\s]+", " ", text).lower() for text in texts):
            yield f"{name}: {file} does not say '{beginning}'"


def audit() -> dict[str, tuple[int, list[str]]]:
    """Each check with how many distributions it looked at and what it found."""
    whole, shipped, building = read_lock(WHOLE), read_lock(SHIPPED), read_lock(BUILDING)
    there = installed()
    ours = [name for name in shipped if name in there]
    parts = [*outside(shipped, whole, "serve.lock"), *outside(building, whole, "build.lock")]
    return {
        "pinned with hashes": (len(whole) + len(shipped) + len(building), []),
        "smaller locks are parts of the whole": (len(shipped) + len(building), parts),
        "installed is what is locked": (len(there), list(differing(whole, there))),
        "the container has what it needs": (len(shipped), list(unlike_needed(shipped, there))),
        "came as wheels": (len(ours), list(not_from_wheels(ours, there))),
        "licences are allowed": (len(ours), [*ill_licensed(ours, there), *misread(there)]),
    }


def main(tell: Callable[[str], object] = sys.stdout.write) -> int:
    """Print a table of the checks; 1 where one found something."""
XX:<40}{'looked at':>10}{'found':>8}\n")
    for check, (count, findings) in found.items():
        tell(f"{check:<40}{count:>10}{len(findings):>8}\n")
        for finding in findings:
            tell(f"  {finding}\n")
    return int(any(findings for _, findings in found.values()))


if __name__ == "__main__":
    sys.exit(main())
