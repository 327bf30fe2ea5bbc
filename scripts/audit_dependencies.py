"""Check what aftercast depends on, without a network: hashes, versions, wheels and licences against the lock.

Known vulnerabilities are no part of this, because they need a database that is fetched: ``make audit`` also runs
pip-audit where that is installed.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Final, cast

ROOT: Final = Path(__file__).parents[1]
LOCK: Final = ROOT / "requirements.lock"
SHIPPED: Final = ROOT / "deploy" / "serve.lock"
OURS: Final = "aftercast"
MAKERS: Final = frozenset({"pip", "setuptools"})
"""What `python -m venv` puts there itself."""

ALLOWED: Final = frozenset(
    {"0BSD", "Apache-2.0", "Artistic-1.0-Perl", "BSD", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "CNRI-Python"}
    | {"ISC", "MIT", "MIT-0", "MIT-CMU", "PSF-2.0", "Zlib"}
)
"""Licences that ask for a notice at most; `BSD` is what older metadata says of the clauses."""
FILE_BOUND: Final = frozenset({"LGPL-3.0-only", "MPL-2.0"})
"""Licences that bind changes of their own files: fine for libraries that are used as they are published."""
READ: Final[Mapping[str, str]] = {
    "huey": "MIT",  # no metadata; LICENSE is the text of MIT
    "skops": "MIT",  # metadata says "OSI Approved"; LICENSE is the text of MIT
    "text-unidecode": "Artistic-1.0-Perl OR GPL-2.0-or-later",  # LICENSE.txt says "either"
}
"""Licences read by a person in the distribution, where its metadata does not say."""
SPDX: Final[Mapping[str, str]] = {
    "apache": "Apache-2.0",
    "apache 2": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "bsd": "BSD",
    "bsd license": "BSD",
    "bsd 2-clause license": "BSD-2-Clause",
    "bsd 3-clause license": "BSD-3-Clause",
    "3-clause bsd license": "BSD-3-Clause",
    "isc license": "ISC",
    "isc license (iscl)": "ISC",
    "mit license": "MIT",
    "mit licence": "MIT",
    "the mit license (mit)": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "python software foundation license": "PSF-2.0",
}
"""Names of licences in older metadata."""


@dataclass(frozen=True)
class Pin:
    """One requirement of a lock."""

    name: str
    version: str
    hashes: frozenset[str]


@dataclass(frozen=True)
class Finding:
    """What is wrong with a distribution."""

    name: str
    version: str
    what: str


def read_lock(path: Path) -> dict[str, Pin]:
    """Pins of a lock by normalised name; raises ValueError for a line that is no exact pin."""
    pins: dict[str, Pin] = {}
    for line in path.read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            found = re.match(r"([A-Za-z0-9._-]+)==([^\s;]+)", line)
            if found is None:
                raise ValueError(f"{path.name}: '{line.split()[0]}' is not pinned to one version")
            name = normalise(found[1])
            pins[name] = Pin(name, found[2], frozenset(re.findall(r"--hash=(sha256:[0-9a-f]{64})\b", line)))
    return pins


def normalise(name: str) -> str:
    """Name of a distribution as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def check_hashes(pins: Mapping[str, Pin]) -> Iterator[Finding]:
    """Pins without a hash, which pip would take from anyone."""
    return (Finding(pin.name, pin.version, "has no hash in the lock") for pin in pins.values() if not pin.hashes)


def check_subset(part: Mapping[str, Pin], whole: Mapping[str, Pin]) -> Iterator[Finding]:
    """Pins of a smaller lock that are other ones than those of the whole, which is what the tests run with."""
    for pin in part.values():
        other = whole.get(pin.name)
        if other is None:
            yield Finding(pin.name, pin.version, f"is shipped but not in {LOCK.name}")
        elif other != pin:
            yield Finding(pin.name, pin.version, f"is shipped, and {LOCK.name} has {other.version} or other hashes")


def check_installed(found: Sequence[Distribution], pins: Mapping[str, Pin]) -> Iterator[Finding]:
    """Distributions that are there without being in the lock, or in another version."""
    for each in found:
        name = normalise(each.name)
        if name in MAKERS | {OURS}:
            continue
        pin = pins.get(name)
        if pin is None:
            yield Finding(name, each.version, "is installed but not in the lock")
        elif pin.version != each.version:
            yield Finding(name, each.version, f"is installed where the lock has {pin.version}")


def check_wheels(found: Sequence[Distribution]) -> Iterator[Finding]:
    """Distributions that did not come as a wheel: their own code would have run while they were installed."""
    for each in found:
        if normalise(each.name) not in MAKERS and each.read_text("WHEEL") is None:
            yield Finding(normalise(each.name), each.version, "was not installed from a wheel")


def check_licences(found: Sequence[Distribution], shipped: Mapping[str, Pin]) -> Iterator[Finding]:
    """Shipped distributions whose licence is unknown or not one of those allowed."""
    for each in found:
        name = normalise(each.name)
        if name in shipped:
            licence = licence_of(name, _metadata(each))
            if licence == "":
                yield Finding(name, each.version, "does not say its licence: read it and add it to READ")
            elif not is_allowed(licence):
                yield Finding(name, each.version, f"has the licence {licence}, which is not allowed")


def licence_of(name: str, metadata: Message) -> str:
    """Licence of a distribution as an SPDX expression; empty where neither metadata nor :data:`READ` says.

    What its own field says goes before classifiers, of which several are taken as all of them together.
    """
    if name in READ:
        return READ[name]
    if metadata.get("License-Expression"):
        return str(metadata["License-Expression"])
    field = str(metadata.get("License") or "").strip()
    known = _spdx(field) if is_expression(_spdx(field)) else ""
    named = [line.split(" :: ")[-1] for line in metadata.get_all("Classifier", []) if line.startswith("License ::")]
    told = {_spdx(each) for each in named if each not in {"OSI Approved", "DFSG approved"}}
    return known or " AND ".join(sorted(told))


def is_expression(text: str) -> bool:
    """Whether a text consists of names of licences that this check has heard of."""
    names = re.split(r"\s+(?:AND|OR)\s+", text.replace("(", "").replace(")", ""))
    return bool(text) and all(name.split(" WITH ")[0] in ALLOWED | FILE_BOUND for name in names)


def is_allowed(expression: str) -> bool:
    """Whether an SPDX expression can be met: every part of an AND, one part of an OR; an exception only adds rights."""
    inner = re.search(r"\(([^()]*)\)", expression)
    if inner is not None:
        verdict = "0BSD" if is_allowed(inner[1]) else "refused"
        return is_allowed(expression[: inner.start()] + verdict + expression[inner.end() :])
    if re.search(r"\sOR\s", expression):
        return any(is_allowed(part) for part in re.split(r"\s+OR\s+", expression))
    parts = re.split(r"\s+AND\s+", expression.strip())
    return all(part.split(" WITH ")[0].strip() in ALLOWED | FILE_BOUND for part in parts)


def audit(found: Sequence[Distribution]) -> list[Finding]:
    """Everything that is wrong with the locks and with what is installed."""
    whole, shipped = read_lock(LOCK), read_lock(SHIPPED)
    findings = [*check_hashes(whole), *check_hashes(shipped), *check_subset(shipped, whole)]
    findings += [*check_installed(found, whole), *check_wheels(found), *check_licences(found, shipped)]
    return sorted(findings, key=lambda each: (each.name, each.what))


def table(found: Sequence[Distribution], shipped: Mapping[str, Pin]) -> str:
    """Shipped distributions with version and licence, one a line."""
    rows = [(normalise(d.name), d.version, licence_of(normalise(d.name), _metadata(d))) for d in found]
    kept = sorted(row for row in rows if row[0] in shipped)
    widths = [max((len(row[column]) for row in kept), default=0) for column in range(2)]
    return "".join(f"{name:<{widths[0]}}  {version:<{widths[1]}}  {licence}\n" for name, version, licence in kept)


def _metadata(found: Distribution) -> Message:
    return cast(Message, found.metadata)  # which it is; the declared type is a part of it


def _spdx(text: str) -> str:
    return SPDX.get(text.lower(), text)


def main() -> int:
    """Print what is shipped and what is wrong; 1 if something is."""
    found, shipped = list(distributions()), read_lock(SHIPPED)
    findings = audit(found)
    sys.stdout.write(table(found, shipped))
    for each in findings:
        sys.stdout.write(f"{each.name} {each.version}: {each.what}\n")
    sys.stdout.write(f"{len(found)} installed, {len(shipped)} shipped, {len(findings)} findings\n")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
