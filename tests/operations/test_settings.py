"""Settings of a deployment: the environment goes before the file, and what is not known is refused by name."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import tomlkit

from aftercast.operations.errors import SettingsError
from aftercast.operations.settings import (
    Settings,
    described_settings,
    load_settings,
    settings_document,
)

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "settings.md"
Load = Callable[..., Settings]


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AFTERCAST_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def load(file: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Return a function that reads the settings of the file with variables set."""

    def read(variables: Mapping[str, str] | None = None) -> Settings:
        with monkeypatch.context() as patch:
            for name, value in (variables or {}).items():
                patch.setenv(name, value)
            return load_settings(file)

    return read


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "aftercast.toml"
    path.write_text('[serving]\nport = 9000\nhost = "10.0.0.1"\n[tokens]\nalgorithms = ["ES256"]\n')
    return path


def test_the_environment_goes_before_the_file_and_leaves_the_rest_of_it(load: Load) -> None:
    found = load({"AFTERCAST_SERVING__PORT": "9001", "AFTERCAST_WORKSPACE": "elsewhere"})
    assert (found.serving.port, found.serving.host) == (9001, "10.0.0.1")


def test_a_list_is_text_with_commas_in_the_environment(load: Load) -> None:
    assert load().tokens.algorithms == ("ES256",)
    found = load({"AFTERCAST_TOKENS__ALGORITHMS": "RS256, EdDSA,"})
    assert found.tokens.algorithms == ("RS256", "EdDSA")


def test_an_unknown_key_of_the_environment_is_refused_with_the_nearest_one(load: Load) -> None:
    with pytest.raises(SettingsError, match=r"prot.*port"):
        load({"AFTERCAST_SERVING__PROT": "9001"})


def test_an_unknown_section_of_the_environment_is_refused_with_the_nearest_one(load: Load) -> None:
    with pytest.raises(SettingsError) as caught:
        load({"AFTERCAST_SERVNG__PORT": "9001"})
    assert caught.value.message == "AFTERCAST_SERVNG__PORT: unknown key 'servng', did you mean 'serving'?."


def test_defaults_are_those_of_an_empty_file_whatever_the_environment_says(
    file: Path, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text("")
    empty = load()
    monkeypatch.setenv("AFTERCAST_SERVING__PORT", "9001")
    assert Settings.model_construct() == empty
    assert Settings.model_construct().model_dump() == empty.model_dump()


def test_a_new_file_has_every_setting_with_its_meaning_and_says_what_an_empty_one_does(file: Path, load: Load) -> None:
    file.write_text(tomlkit.dumps(settings_document()), encoding="utf-8")
    assert load() == Settings.model_construct()
    text = file.read_text(encoding="utf-8")
    for name, _, meaning in described_settings():
        assert f"# {meaning}\n{name.partition('.')[2]} = " in text


def test_a_text_of_the_environment_is_never_read_as_json(load: Load) -> None:
    assert load({"AFTERCAST_PREFECT__ADDRESS": '{"a": 1}'}).prefect.address == '{"a": 1}'


def test_the_page_of_settings_has_each_with_its_default_and_meaning() -> None:
    rows = [f"| `{name}` | {shown(default)} | {meaning} |" for name, default, meaning in described_settings()]
    assert all(meaning.endswith(".") for _, _, meaning in described_settings())
    on_page = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    assert on_page == rows, "docs/settings.md: write these rows"


def shown(default: object) -> str:
    """Value as one writes it in TOML; a list with brackets."""
    return f"`{tomlkit.item(list(default) if isinstance(default, tuple) else default).as_string()}`"


def test_a_value_that_is_no_number_is_refused_by_its_key(load: Load) -> None:
    with pytest.raises(SettingsError, match=r"serving\.port"):
        load({"AFTERCAST_SERVING__PORT": "http"})


def test_what_the_environment_has_wrong_is_blamed_on_the_variable_and_not_on_the_file(load: Load) -> None:
    with pytest.raises(SettingsError) as caught:
        load({"AFTERCAST_SERVING__PRT": "9", "AFTERCAST_SERVING__PORT": "http", "AFTERCAST_STORE": "x"})
    assert "AFTERCAST_SERVING__PRT: unknown key 'serving.prt', did you mean 'port'?" in caught.value.message
    assert "AFTERCAST_SERVING__PORT: serving.port" in caught.value.message
    assert "AFTERCAST_STORE: store" in caught.value.message
    assert "aftercast.toml" not in caught.value.message
    assert "variable" in caught.value.hint


def test_what_the_file_and_the_environment_have_wrong_is_told_of_each(file: Path, load: Load) -> None:
    file.write_text("[serving]\nhots = 1\n")
    with pytest.raises(SettingsError) as caught:
        load({"AFTERCAST_SERVING__PRT": "9"})
    parts = caught.value.message.split("; ")
    assert [part.split(": ")[0] for part in parts] == ["aftercast.toml", "AFTERCAST_SERVING__PRT"]


def test_variables_that_the_project_uses_for_something_else_are_no_settings(load: Load) -> None:
    used = {name for path in _texts() for name in re.findall(r"\bAFTERCAST_[A-Z]+(?:_[A-Z]+)*\b", path.read_text())}
    plain = {name: "x" for name in used if "__" not in name}
    assert {"AFTERCAST_SITE", "AFTERCAST_UPSTREAM", "AFTERCAST_DEMO", "AFTERCAST_WORKSPACE"} <= plain.keys()
    assert load(plain) == load()


def _texts() -> list[Path]:
    """What is run or deployed beside the code."""
    folders = [path for name in ("deploy", "scripts") for path in (ROOT / name).rglob("*")]
    files = [ROOT / name for name in ("compose.yaml", "Dockerfile", "Makefile")]
    return [path for path in [*folders, *files] if path.is_file() and path.suffix not in {".lock", ".pyc"}]
