"""The guides of deployment and security name commands, settings, files and tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.deploy.commands import calls, understand
from tests.deploy.container import ROOT
from tests.deploy.named import DEFAULTS

from aftercast.operations.settings import Settings

GUIDES = [ROOT / "docs" / "deployment.md", ROOT / "docs" / "security.md"]


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.name)
def test_every_command_of_a_guide_is_understood(path: Path) -> None:
    found = list(calls(path))
    assert len(found) >= 4
    for words in found:
        understand(words)


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.name)
def test_every_setting_file_and_test_that_a_guide_names_exists(path: Path) -> None:
    text = path.read_text()
    sections = {
        name: section.model_fields for name, section in ((n, type(getattr(DEFAULTS, n))) for n in Settings.model_fields)
    }
    named = re.findall(rf"`((?:{'|'.join(sections)})\.[a-z_]+)`", text)
    assert named
    assert [name for name in named if name.split(".")[1] not in sections[name.split(".")[0]]] == []
    places = re.findall(r"`((?:tests|deploy|docs|scripts|data|serving|models)/[\w./-]+)`", text)
    places += re.findall(r"\]\((?!http)([\w./-]+)", text)
    where = [ROOT / place if (ROOT / place).exists() else path.parent / place for place in places]
    assert [str(place) for place in where if not place.exists()] == []


def test_a_command_that_does_not_exist_is_noticed() -> None:
    with pytest.raises(ValueError, match="--unknown"):
        understand(["serve", "--unknown"])
    with pytest.raises(ValueError, match="downgrade"):
        understand(["database", "downgrade"])
