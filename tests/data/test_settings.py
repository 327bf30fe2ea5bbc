"""Settings of a deployment: the environment goes before the file, and what is not known is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from aftercast.data.errors import SettingsError
from aftercast.data.settings import load_settings


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
