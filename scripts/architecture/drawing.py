"""The picture: packages as the floors of a house, imports as lanes beside it, the three ways below."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final, NamedTuple, TypeVar
from xml.sax.saxutils import escape

from scripts.architecture.house import PURPOSE, House, Package, Step

T = TypeVar("T")
Point = tuple[float, float]
WIDTH: Final = 1000
LEFT, RIGHT, FIRST_LANE, LANE = 44, 640, 700, 54
PAD, GAP = 14, 16
INSIDE: Final = RIGHT - LEFT - 2 * PAD
COLOUR: Final = {
    "cli": "#475569",
    "serving": "#1d4ed8",
    "pipelines": "#7e22ce",
    "models": "#c2410c",
    "features": "#15803d",
    "data": "#0f766e",
    "operations": "#57534e",
}
STYLE: Final = (
    "text{font-family:Inter,'Segoe UI',Roboto,'DejaVu Sans',Helvetica,Arial,sans-serif;font-size:12px;fill:#1e293b}"
    ".title{font-size:17px;font-weight:700}.name{font-size:15px;font-weight:700}"
    ".quiet{fill:#64748b;font-size:11.5px}.count{font-size:11.5px;font-weight:700}.room{font-weight:600}"
)


class Floor(NamedTuple):
    """A package as drawn: its top and bottom, and the lines in it."""

    package: Package
    top: float
    bottom: float
    chips: Sequence[Sequence[tuple[str, str]]]
    loose: Sequence[str]

    @property
    def entry(self) -> float:
        """Height at which imports of this package arrive."""
        return self.top + 14

    @property
    def exit(self) -> float:
        """Height at which imports by this package leave."""
        return self.bottom - 14


def draw(house: House, ways: Mapping[str, Sequence[Step]]) -> str:
    """SVG of the house and its ways, :data:`WIDTH` wide."""
    floors = list(_floors(house.packages, 78))
    beside = list(_ways(ways, floors[-1].bottom + 62))
    bottom = max(y for y, _ in beside) + 20
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom:.0f}" width="{WIDTH}"'
        f' height="{bottom:.0f}">',
        "<title>The packages of aftercast, who imports whom, and three ways through them</title>",
        f"<style>{STYLE}</style>",
        f'<rect width="{WIDTH}" height="{bottom:.0f}" fill="#ffffff"/>',
        _text(LEFT, 30, "The house", "title"),
        _text(LEFT, 50, "Data rise from floor to floor. An import leads down only.", "quiet"),
        _text(RIGHT + 34, 30, "Who imports whom", "title"),
        _text(RIGHT + 34, 50, "How many imports lead to a package, by importer.", "quiet"),
        *_lanes(floors, house.imports),
        *(part for floor in floors for part in _floor(floor)),
        *_rising(floors),
        *(part for _, part in beside),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _floors(packages: Sequence[Package], top: float) -> Iterator[Floor]:
    for package in packages:
        labels = [(room, f"  {', '.join(inner)}" if inner else "") for room, inner in package.rooms.items()]
        chips = list(_wrapped(labels, INSIDE, lambda label: _chip_width(*label) + 8))
        loose = [", ".join(line) for line in _wrapped(package.modules, INSIDE, lambda name: _wide(name) + 12)]
        bottom = top + 32 + 32 * len(chips) + 17 * len(loose) + 10
        yield Floor(package, top, bottom, chips, loose)
        top = bottom + GAP


def _floor(floor: Floor) -> Iterator[str]:
    colour = COLOUR[floor.package.name]
    yield (
        f'<rect x="{LEFT}" y="{floor.top:.0f}" width="{RIGHT - LEFT}" height="{floor.bottom - floor.top:.0f}" rx="8"'
        f' fill="{colour}" fill-opacity=".07" stroke="{colour}" stroke-width="1.5"/>'
    )
    yield _text(LEFT + PAD, floor.top + 22, floor.package.name, "name", colour)
    yield _text(LEFT + PAD + 108, floor.top + 22, PURPOSE[floor.package.name], "quiet")
    y = floor.top + 34
    for line in floor.chips:
        x = float(LEFT + PAD)
        for room, inner in line:
            yield _chip(x, y, room, inner, colour)
            x += _chip_width(room, inner) + 8
        y += 32
    for text in floor.loose:
        yield _text(LEFT + PAD, y + 12, text, "quiet")
        y += 17


def _lanes(floors: Sequence[Floor], imports: Mapping[tuple[str, str], int]) -> Iterator[str]:
    """One lane per imported package; a dot with a number where a package joins it."""
    lane = {floor.package.name: FIRST_LANE + LANE * i for i, floor in enumerate(floors[1:])}
    for floor in floors:
        joined = [lane[b] for (a, b) in imports if a == floor.package.name]
        if joined:
            yield _line((RIGHT, floor.exit), (max(joined), floor.exit), COLOUR[floor.package.name], 1.2, dashed=True)
    for floor in floors[1:]:
        name, x, colour = floor.package.name, lane[floor.package.name], COLOUR[floor.package.name]
        joins = [(each.exit, count) for each in floors if (count := imports.get((each.package.name, name), 0))]
        if not joins:
            continue
        yield _line((x, min(joins)[0]), (x, floor.entry), colour, 2.2)
        yield _line((x, floor.entry), (RIGHT + 9, floor.entry), colour, 2.2)
        yield f'<path d="M{RIGHT + 1} {floor.entry:.0f} l11 -5 v10 z" fill="{colour}"/>'
        for y, count in joins:
            yield f'<circle cx="{x}" cy="{y:.0f}" r="4.5" fill="{colour}"/>'
            yield _text(x + 7, y - 6, str(count), "count", colour)


def _rising(floors: Sequence[Floor]) -> Iterator[str]:
    x = LEFT - 18
    for above, below in pairwise(floors[:-1]):
        yield _line((x, below.top + 20), (x, above.bottom - 12), "#94a3b8", 2)
        yield f'<path d="M{x} {above.bottom - 20:.0f} l-5 10 h10 z" fill="#94a3b8"/>'


def _ways(ways: Mapping[str, Sequence[Step]], top: float) -> Iterator[tuple[float, str]]:
    """Parts of the picture with the height each of them reaches."""
    yield top, _text(LEFT, top, "Three ways through the house", "title")
    about = "Rooms and modules in the order of their first call, as the code is written."
    yield top, _text(LEFT, top + 20, about, "quiet")
    column = (WIDTH - LEFT - 20) / len(ways)
    for i, (title, steps) in enumerate(ways.items()):
        x, y = LEFT + i * column, top + 50
        yield y, _text(x, y, title, "name")
        y += 14
        for step in steps:
            names = list(_wrapped(step.modules, column - 40, lambda name: _wide(name) + 12))
            height = 24 + 16 * len(names)
            colour = COLOUR[step.package]
            parts = [
                f'<rect x="{x:.0f}" y="{y:.0f}" width="{column - 16:.0f}" height="{height}" rx="5" fill="{colour}"'
                f' fill-opacity=".07"/>',
                f'<rect x="{x:.0f}" y="{y:.0f}" width="5" height="{height}" rx="2" fill="{colour}"/>',
                _text(x + 14, y + 17, f"{step.package}.{step.room}" if step.room else step.package, "room", colour),
                *(_text(x + 14, y + 33 + 16 * j, ", ".join(line), "quiet") for j, line in enumerate(names)),
            ]
            y += height + 6
            yield y, "".join(parts)


def _wrapped(items: Iterable[T], width: float, width_of: Callable[[T], float]) -> Iterator[list[T]]:
    line: list[T] = []
    used = 0.0
    for item in items:
        wide = width_of(item)
        if line and used + wide > width:
            yield line
            line, used = [], 0.0
        line.append(item)
        used += wide
    if line:
        yield line


def _chip(x: float, y: float, room: str, inner: str, colour: str) -> str:
    width = _chip_width(room, inner)
    return (
        f'<rect x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="25" rx="5" fill="#ffffff" stroke="{colour}"/>'
        f'<text x="{x + 9:.0f}" y="{y + 17:.0f}"><tspan class="room">{escape(room)}</tspan>'
        f'<tspan class="quiet" dx="4">{escape(inner.strip())}</tspan></text>'
    )


def _chip_width(room: str, inner: str) -> float:
    return 20 + 7.9 * len(room) + (4 + _wide(inner.strip()) if inner else 0)


def _wide(text: str) -> float:
    """Width of a text of 11.5 px; a guess that no usual sans-serif font exceeds."""
    return 6.4 * len(text)


def _text(x: float, y: float, text: str, kind: str, colour: str | None = None) -> str:
    style = "" if colour is None else f' style="fill:{colour}"'
    return f'<text x="{x:.0f}" y="{y:.0f}" class="{kind}"{style}>{escape(text)}</text>'


def _line(
    start: tuple[float, float], end: tuple[float, float], colour: str, width: float, *, dashed: bool = False
) -> str:
    dash = ' stroke-dasharray="2 4"' if dashed else ""
    (x1, y1), (x2, y2) = start, end
    ends = f'x1="{x1:.0f}" y1="{y1:.0f}" x2="{x2:.0f}" y2="{y2:.0f}"'
    return f'<line {ends} stroke="{colour}" stroke-width="{width}"{dash}/>'
