"""Settings of a deployment: the environment goes before the file, and what is not known is refused by name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from aftercast.operations.errors import SettingsError
from aftercast.operations.settings import load_settings

ROOT = Path(__file__).parents[2]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "aftercast.toml"
    path.write_text('[serving]\nport = 9000\nhost = "10.0.0.1"\n[tokens]\nalgorithms = ["ES256"]\n')
    return path


def test_the_environment_goes_before_the_file_and_leaves_the_rest_of_it(file: Path) -> None:
    found = load_settings(file, {"AFTERCAST_SERVING__PORT": "9001", "AFTERCAST_WORKSPACE": "elsewhere"})
    assert (found.serving.port, found.serving.host) == (9001, "10.0.0.1")


def test_a_list_is_text_with_commas_in_the_environment(file: Path) -> None:
    assert load_settings(file, {}).tokens.algorithms == ("ES256",)
    found = load_settings(file, {"AFTERCAST_TOKENS__ALGORITHMS": "RS256, EdDSA,"})
    assert found.tokens.algorithms == ("RS256", "EdDSA")


def test_an_unknown_key_of_the_environment_is_refused_with_the_nearest_one(file: Path) -> None:
    with pytest.raises(SettingsError, match=r"prot.*port"):
        load_settings(file, {"AFTERCAST_SERVING__PROT": "9001"})


def test_a_value_that_is_no_number_is_refused_by_its_key(file: Path) -> None:
    with pytest.raises(SettingsError, match=r"serving\.port"):
        load_settings(file, {"AFTERCAST_SERVING__PORT": "http"})


def test_what_the_environment_has_wrong_is_blamed_on_the_variable_and_not_on_the_file(file: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(file, {"AFTERCAST_SERVING__PRT": "9", "AFTERCAST_SERVING__PORT": "http", "AFTERCAST_STORE": "x"})
    assert "AFTERCAST_SERVING__PRT: unknown key 'serving.prt', did you mean 'port'?" in caught.value.message
    assert "AFTERCAST_SERVING__PORT: serving.port" in caught.value.message
    assert "AFTERCAST_STORE: store" in caught.value.message
    assert "aftercast.toml" not in caught.value.message
    assert "variable" in caught.value.hint


def test_what_the_file_and_the_environment_have_wrong_is_told_of_each(file: Path) -> None:
    file.write_text("[serving]\nhots = 1\n")
    with pytest.raises(SettingsError) as caught:
        load_settings(file, {"AFTERCAST_SERVING__PRT": "9"})
    parts = caught.value.message.split("; ")
    assert [part.split(": ")[0] for part in parts] == ["aftercast.toml", "AFTERCAST_SERVING__PRT"]


def test_variables_that_the_project_uses_for_something_else_are_no_settings(file: Path) -> None:
    used = {name for path in _texts() for name in re.findall(r"\bAFTERCAST_[A-Z]+(?:_[A-Z]+)*\b", path.read_text())}
    plain = {name: "x" for name in used if "__" not in name}
    assert {"AFTERCAST_SITE", "AFTERCAST_UPSTREAM", "AFTERCAST_DEMO", "AFTERCAST_WORKSPACE"} <= plain.keys()
    assert load_settings(file, plain) == load_settings(file, {})


def _texts() -> list[Path]:
    """What is run or deployed beside the code."""
    folders = [path for name in ("deploy", "scripts") for path in (ROOT / name).rglob("*")]
    files = [ROOT / name for name in ("compose.yaml", "Dockerfile", "Makefile")]
    return [path for path in [*folders, *files] if path.is_file() and path.suffix not in {".lock", ".pyc"}]
