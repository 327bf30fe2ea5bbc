from __future__ import annotations

from pathlib import Path

import pytest

from aftercast.features.code_digest import digest_of

CODE = '''"""Docstring."""

HOURS = 24


def double(value: float) -> float:
    """Twice the value."""
    return 2 * value
'''


def digest(folder: Path, code: str, name: str = "view.py") -> str:
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    (folder / name).write_text(code)
    return digest_of(folder)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("HOURS = 24", "HOURS = 24  # a day"),
        ("HOURS = 24", "# a day\n\nHOURS = (\n    24\n)"),
        ('"""Docstring."""', '"""Another one."""'),
        ('    """Twice the value."""\n', ""),
        ("HOURS = 24", 'HOURS = 24\n"""A day."""'),
    ],
)
def test_comments_docstrings_and_layout_do_not_count(tmp_path: Path, old: str, new: str) -> None:
    assert old in CODE
    assert digest(tmp_path / "m", CODE.replace(old, new)) == digest(tmp_path / "m", CODE)


@pytest.mark.parametrize(
    ("old", "new"), [("24", "25"), ("24", "24.0"), ("2 * value", "3 * value"), ("double", "twice")]
)
def test_code_counts(tmp_path: Path, old: str, new: str) -> None:
    assert digest(tmp_path / "m", CODE.replace(old, new)) != digest(tmp_path / "m", CODE)


def test_the_name_of_a_module_counts(tmp_path: Path) -> None:
    assert digest(tmp_path / "m", CODE, name="other.py") != digest(tmp_path / "m", CODE)
