"""Tables of errors and intervals for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import RenderableType
from rich.table import Table

from aftercast.models.kinds.remaining_life.evaluation import METRICS
from aftercast.models.text_table import text_table


def shown_points(title: str, metrics: Mapping[str, Mapping[str, list[float]]], cap: float) -> list[RenderableType]:
    """Errors of the model and the baselines, with what they are of."""
    rows = [
        [who, *(number(found[name], 0 if name == "score" else 2) for name in METRICS)] for who, found in metrics.items()
    ]
    about = (
        f"{title}. Rows from the 21st cycle on with at most {1.2 * cap:g} left; each unit weighs the same; cap {cap:g}."
    )
    return [about, text_table("", ["", *(metric.title for metric in METRICS.values())], rows, right=range(1, 5))]


def shown_intervals(title: str, found: Mapping[str, Mapping[str, Any]]) -> Table:
    """Coverage and width of the intervals by stage of predicted life."""
    rows = [
        [name, f"{row['units']}", number(row["coverage"], 3), number(row["width"], 1)]
        for name, row in found.items()
        if not name.startswith("true")
    ]
    return text_table(title, ["life in cycles", "units", "coverage", "width, cycles"], rows, right={1, 2, 3})


def shown_source(result: Mapping[str, Any]) -> str:
    """What was learnt from."""
    reasons = [f"{count} {name}" for name, count in result["left_out"].items() if name != "failed" and count > 0]
    return (
        f"{result['units']} units run to a failure of {result['component']} until {result['until'][:16]}; "
        f"left out: {', '.join(reasons) or 'none'}. Brackets hold 95 % bootstrap intervals over units."
    )


def number(values: list[float], digits: int) -> str:
    """Value with its interval."""
    centre, low, high = (f"{value:.{digits}f}" for value in values)
    return f"{centre} [{low}, {high}]"
