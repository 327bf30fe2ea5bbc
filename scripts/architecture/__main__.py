"""``python -m scripts.architecture`` draws the picture of the architecture and the lists of its page from the code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from scripts.architecture.calls import ROOT
from scripts.architecture.drawing import draw
from scripts.architecture.house import Step, read_house, read_ways

PICTURE: Final = ROOT / "docs" / "architecture.svg"
PAGE: Final = ROOT / "docs" / "architecture.md"
BEGIN: Final = "<!-- ways: written by `python -m scripts.architecture` -->"
END: Final = "<!-- end of ways -->"


def drawn() -> tuple[str, str]:
    """The picture and the page as they should be now."""
    ways = read_ways()
    page = PAGE.read_text(encoding="utf-8")
    before, after = page.split(BEGIN)[0], page.split(END)[1]
    return draw(read_house(), ways), f"{before}{BEGIN}\n\n{_listed(ways)}\n{END}{after}"


def _listed(ways: Mapping[str, Sequence[Step]]) -> str:
    lines = []
    for title, steps in ways.items():
        lines += [f"### {title}", ""]
        for number, step in enumerate(steps, start=1):
            room = f"{step.package}.{step.room}" if step.room else step.package
            lines.append(f"{number}. **{room}**: {', '.join(step.modules)}")
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    """Write both."""
    picture, page = drawn()
    PICTURE.write_text(picture, encoding="utf-8")
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
