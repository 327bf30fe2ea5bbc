"""What is installed and shipped is what was reviewed: pinned, hashed, complete, from wheels, with licences we allow."""

from __future__ import annotations

from importlib.metadata import Distribution
from pathlib import Path

import pytest
from scripts.audit_dependencies import (
    SHIPPED,
    WHOLE,
    Pin,
    audit,
    differing,
    ill_licensed,
    installed,
    is_allowed,
    licence_of,
    main,
    needs,
    not_from_wheels,
    outside,
    read_lock,
    unlike_needed,
)

HASH = "a" * 64


@pytest.mark.parametrize("check", audit())
def test_the_audit_finds_nothing(check: str) -> None:
    count, findings = audit()[check]
    assert count > 100
    assert findings == []


def test_the_command_prints_a_table_and_succeeds() -> None:
    told: list[str] = []
    assert main(told.append) == 0
    assert len(told) == len(audit()) + 1


def test_the_container_is_shipped_neither_tests_nor_linters_nor_benchmarks() -> None:
    shipped = read_lock(SHIPPED)
    assert {
        "pytest",
        "mypy",
        "ruff",
        "hypothesis",
        "playwright",
        "schemathesis",
        "duckdb",
        "polars",
    } & shipped.keys() == set()
    assert {"fastapi", "lightgbm", "psycopg-binary", "opentelemetry-sdk"} <= shipped.keys()
    assert len(shipped) < len(read_lock(WHOLE))


@pytest.mark.parametrize("path", [WHOLE, SHIPPED])
def test_a_lock_names_no_place_to_fetch_from(path: Path) -> None:
    assert "://" not in path.read_text()


@pytest.mark.parametrize(
    "line",
    [
        "numpy==2.0.0",
        f"numpy>=2.0.0 --hash=sha256:{HASH}",
        f"numpy @ https://example.org/numpy.whl --hash=sha256:{HASH}",
        "--index-url https://example.org/simple",
        f"numpy==2.0.0 --hash=md5:{HASH}",
        f"numpy==2.0.0 \\\n    --hash=sha256:{HASH[:-1]}",
        "git+https://example.org/numpy",
    ],
)
def test_a_requirement_that_could_become_something_else_is_refused(line: str, tmp_path: Path) -> None:
    lock = tmp_path / "some.lock"
    lock.write_text(f"pandas==2.2.0 \\\n    --hash=sha256:{HASH}\n{line}\n")
    with pytest.raises(ValueError, match=r"some\.lock"):
        read_lock(lock)


def test_a_lock_is_read_with_its_extras_and_hashes(tmp_path: Path) -> None:
    lock = tmp_path / "some.lock"
    lock.write_text(f"# made\n\nPyJWT[crypto]==2.9 \\\n    --hash=sha256:{HASH} \\\n    --hash=sha256:{'b' * 64}\n")
    assert read_lock(lock) == {"pyjwt": Pin("2.9", frozenset({HASH, "b" * 64}))}


def test_what_is_installed_beside_the_lock_or_missing_from_it_is_found() -> None:
    there = {name: found for name, found in installed().items() if name in {"numpy", "pandas", "pip"}}
    lock = {"numpy": Pin("0.1", frozenset({HASH})), "absent": Pin("1", frozenset({HASH}))}
    found = list(differing(lock, there))
    assert [line.split()[0] for line in found] == ["absent", "numpy", "pandas"]
    (part,) = outside({"numpy": Pin("0.2", frozenset({HASH}))}, lock, "small")
    assert part == "small: numpy is not what requirements.lock has"


def test_a_lock_that_lacks_a_dependency_or_has_one_too_many_is_found() -> None:
    there, shipped = installed(), set(read_lock(SHIPPED))
    found = list(unlike_needed((shipped - {"httptools"}) | {"mypy"}, there))
    assert found == ["serve.lock lacks httptools", "serve.lock has mypy, which nothing needs"]
    assert {"cryptography"} <= needs("pyjwt", {"crypto"}, there)


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True),
        ("mit-ish", False),
        ("", False),
        ("MIT OR GPL-3.0-only", True),
        ("MIT AND GPL-3.0-only", False),
        ("GPL-3.0-only OR MIT AND GPL-2.0-only", False),
        ("(GPL-3.0-only OR MIT) AND BSD-3-Clause", True),
        ("GPL-3.0-only OR (MIT AND (BSD-3-Clause OR AGPL-3.0-only))", True),
        ("BSD-2-Clause AND Apache-2.0 WITH LLVM-exception", True),
        ("GPL-2.0-only WITH Classpath-exception-2.0", False),
        ("LicenseRef-Proprietary", False),
    ],
)
def test_an_expression_is_allowed_where_it_can_be_kept_to(expression: str, allowed: bool) -> None:
    assert is_allowed(expression) is allowed


@pytest.mark.parametrize("expression", ["(MIT", "MIT)", "((MIT)"])
def test_an_expression_that_is_broken_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match="Brackets"):
        is_allowed(expression)


def distribution(folder: Path, *lines: str) -> Distribution:
    """Distribution with lines of metadata, installed without a wheel."""
    about = folder / "some-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("\n".join(["Metadata-Version: 2.4", "Name: some", "Version: 1.0", *lines, ""]))
    return Distribution.at(about)


@pytest.mark.parametrize(
    ("lines", "licence"),
    [
        (["License-Expression: MIT OR Apache-2.0", "License: GPL"], "MIT OR Apache-2.0"),
        (["Classifier: License :: OSI Approved :: BSD License"], "BSD-3-Clause"),
        (
            ["Classifier: License :: OSI Approved :: MIT License", "Classifier: License :: Other/Proprietary License"],
            "MIT AND Other/Proprietary License",
        ),
        (["License: ISC"], "ISC"),
        ([], ""),
    ],
)
def test_a_licence_is_read_from_what_says_it_most_clearly(lines: list[str], licence: str, tmp_path: Path) -> None:
    assert licence_of(distribution(tmp_path, *lines)) == licence


def test_a_licence_that_is_not_allowed_and_a_library_without_a_wheel_are_found(tmp_path: Path) -> None:
    there = {"some": distribution(tmp_path, "License-Expression: AGPL-3.0-only")}
    assert list(ill_licensed(there, there)) == ["some: licence 'AGPL-3.0-only'"]
    assert list(not_from_wheels(there, there)) == ["some came without a wheel"]
