"""What is installed is what the locks hash, and every kind of difference is found."""

from __future__ import annotations

from email.message import Message
from importlib.metadata import Distribution, distributions
from pathlib import Path

import pytest
from scripts.audit_dependencies import (
    LOCK,
    SHIPPED,
    Pin,
    audit,
    check_hashes,
    check_installed,
    check_licences,
    check_subset,
    check_wheels,
    is_allowed,
    licence_of,
    read_lock,
    table,
)

HASH = "sha256:" + "a" * 64


def pin(name: str, version: str = "1.0", *hashes: str) -> dict[str, Pin]:
    return {name: Pin(name, version, frozenset(hashes or {HASH}))}


def installed(folder: Path, name: str, *lines: str, wheel: bool = True) -> list[Distribution]:
    """A distribution that lies in a folder as pip would have put it there."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("\n".join(["Metadata-Version: 2.4", f"Name: {name}", "Version: 1.0", *lines, ""]))
    if wheel:
        (info / "WHEEL").write_text("Wheel-Version: 1.0\n")
    return list(distributions(path=[str(folder)]))


def test_nothing_is_wrong_with_what_is_installed_here() -> None:
    assert audit(list(distributions())) == []


def test_the_locks_are_read_whole() -> None:
    whole, shipped = read_lock(LOCK), read_lock(SHIPPED)
    assert len(whole) == LOCK.read_text().count("==")
    assert {"fastapi", "lightgbm", "mlflow", "psycopg", "opentelemetry-sdk"} <= shipped.keys()
    assert not {"pytest", "mypy", "ruff", "duckdb", "hypothesis", "playwright", "schemathesis"} & shipped.keys()
    assert all(each.hashes for each in (*whole.values(), *shipped.values()))


@pytest.mark.parametrize("line", ["numpy>=2.0", "numpy", "-e .", "numpy @ file:///x.whl"])
def test_a_lock_that_leaves_the_version_open_is_refused(line: str, tmp_path: Path) -> None:
    lock = tmp_path / "a.lock"
    lock.write_text(f"{line}\n")
    with pytest.raises(ValueError, match="not pinned"):
        read_lock(lock)


def test_comments_markers_and_several_hashes_are_read(tmp_path: Path) -> None:
    lock = tmp_path / "a.lock"
    other = "sha256:" + "b" * 64
    lock.write_text(
        f"# made by hand\nUv_Loop==1.0 ; sys_platform != 'win32' \\\n    --hash={HASH} \\\n    --hash={other}\n"
    )
    assert read_lock(lock) == pin("uv-loop", "1.0", HASH, other)


def test_a_pin_without_a_hash_is_found() -> None:
    bare = {"six": Pin("six", "1.0", frozenset())}
    assert [each.name for each in check_hashes(bare | pin("numpy"))] == ["six"]


def test_what_is_shipped_is_what_was_tested() -> None:
    assert not list(check_subset(pin("six"), pin("six") | pin("numpy")))
    assert [each.what for each in check_subset(pin("six"), pin("numpy"))] == ["is shipped but not in requirements.lock"]
    assert len(list(check_subset(pin("six", "1.0"), pin("six", "1.1")))) == 1
    assert len(list(check_subset(pin("six", "1.0", HASH), pin("six", "1.0", "sha256:" + "b" * 64)))) == 1


def test_what_is_installed_beside_the_lock_is_found(tmp_path: Path) -> None:
    found = installed(tmp_path, "Left_Pad")
    assert not list(check_installed(found, pin("left-pad")))
    assert [each.what for each in check_installed(found, pin("six"))] == ["is installed but not in the lock"]
    assert [each.what for each in check_installed(found, pin("left-pad", "1.1"))] == [
        "is installed where the lock has 1.1"
    ]


def test_what_ran_its_own_code_to_be_installed_is_found(tmp_path: Path) -> None:
    installed(tmp_path, "modern")
    found = installed(tmp_path, "legacy", wheel=False)
    assert len(found) == 2
    assert [each.name for each in check_wheels(found)] == ["legacy"]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["License-Expression: AGPL-3.0-only"], "AGPL-3.0-only"),
        (["License: GPLv3"], "does not say"),
        (["Classifier: License :: OSI Approved :: GNU General Public License v3 (GPLv3)"], "GNU General Public"),
        ([], "does not say"),
    ],
)
def test_a_shipped_licence_that_binds_or_is_unknown_is_found(lines: list[str], said: str, tmp_path: Path) -> None:
    found = installed(tmp_path, "left-pad", *lines)
    (finding,) = check_licences(found, pin("left-pad"))
    assert said in finding.what
    assert not list(check_licences(found, pin("six"))), "it is not shipped"


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True),
        ("MIT OR GPL-3.0-only", True),
        ("MIT AND GPL-3.0-only", False),
        ("MPL-2.0 AND (Apache-2.0 OR MIT)", True),
        ("MIT AND (GPL-3.0-only OR AGPL-3.0-only)", False),
        ("(MIT AND GPL-3.0-only) OR BSD-3-Clause", True),
        ("BSD-2-Clause AND Apache-2.0 WITH LLVM-exception", True),
        ("GPL-3.0-only", False),
        ("", False),
    ],
)
def test_an_expression_is_met_by_all_of_an_and_and_one_of_an_or(expression: str, allowed: bool) -> None:
    assert is_allowed(expression) is allowed


def test_a_licence_is_read_from_wherever_metadata_says_it() -> None:
    metadata = Message()
    metadata["Classifier"] = "License :: OSI Approved :: BSD License"
    metadata["Classifier"] = "License :: OSI Approved :: Apache Software License"
    assert licence_of("both", metadata) == "Apache-2.0 AND BSD"
    metadata["License"] = "Copyright 2018, all rights reserved"
    assert licence_of("both", metadata) == "Apache-2.0 AND BSD"
    metadata.replace_header("License", "MIT License")
    assert licence_of("both", metadata) == "MIT"
    metadata["License-Expression"] = "ISC"
    assert licence_of("both", metadata) == "ISC"


def test_the_table_has_a_line_for_each_shipped_distribution() -> None:
    shipped = read_lock(SHIPPED)
    lines = table(list(distributions()), shipped).splitlines()
    assert [line.split()[0] for line in lines] == sorted(shipped)
    assert all(len(line.split()) >= 3 for line in lines)
