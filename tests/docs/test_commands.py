"""Every command in a block of code of a page is one that the command line understands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.deploy.commands import calls, understand

ROOT = Path(__file__).parents[2]
TAKE_THE_KIND = {"README.md", "docs/explain.md", "docs/kinds/anomaly.md", "docs/kinds/remaining-life.md"}
"""Pages that show `train`, `risk-list` and `explain` for every kind; to be held, too, once these commands take it."""
PAGES = [
    page
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    if str(page.relative_to(ROOT)) not in TAKE_THE_KIND
]
BLOCK = re.compile(r"^```\w*\n(.*?)^```|((?:^    .*\n)+)", re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_of_a_page_is_understood(page: Path, tmp_path: Path) -> None:
    blocks = BLOCK.findall(page.read_text(encoding="utf-8"))
    code = tmp_path / "code"
    code.write_text("\n".join(re.sub(r"^ {4}", "", "".join(block), flags=re.MULTILINE) for block in blocks))
    for words in calls(code):
        understand(words)


def test_a_command_in_a_block_is_looked_at(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("Text.\n\n    aftercast serve --unknown\n", encoding="utf-8")
    with pytest.raises(ValueError, match="--unknown"):
        test_every_command_of_a_page_is_understood(page, tmp_path)
