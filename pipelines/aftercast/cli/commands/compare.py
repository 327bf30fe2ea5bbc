"""``aftercast compare``: whether one model is better than another on the same rows, or only seems so."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from aftercast.cli.common import JsonFlag, note, print_json, print_table, say

Forecasts = Annotated[str, typer.Argument(metavar="FILE[:MODEL]", help="Forecasts of a backtest, and which model's.")]


def compare(
    a: Forecasts,
    b: Forecasts,
    *,
    draws: Annotated[int, typer.Option(min=2, help="Draws of devices for the intervals.")] = 1000,
    as_json: JsonFlag = False,
) -> None:
    """Compare two backtests row by row: each metric's difference (B less A) with a paired 95 % interval by device.

    Files come from `aftercast backtest ... --forecasts FILE.parquet`; without a model, ours is meant.

    Example: aftercast compare forecasts.parquet:logistic forecasts.parquet:aftercast
    """
    from aftercast.models.judge.comparison import compare as compared
    from aftercast.models.judge.forecasts import read_forecasts

    found = compared(read_forecasts(*_parted(a)), read_forecasts(*_parted(b)), draws=draws)
    if as_json:
        print_json(found.to_dict())
    else:
        _show(found)


def _parted(text: str) -> tuple[Path, str]:
    """File and model; a name that is itself a file is not parted."""
    from aftercast.models.fit.training import OWN

    before, _, after = text.rpartition(":")
    return (Path(text), OWN) if before == "" or Path(text).exists() else (Path(before), after)


def _show(found: Any) -> None:
    from aftercast.models.judge.metrics import title

    note(f"A is {found.a}, B is {found.b}.")
    rows = [
        [name, title(each.metric), _number(each.a), _number(each.b), _number(each.difference), _ends(each.interval)]
        for name, listed in found.differences.items()
        for each in listed
    ]
    columns = ["", "metric", "A", "B", "B less A", "95 %"]
    print_table(f"Within {found.horizon}, {found.rows:,} rows", columns, rows, right=frozenset({2, 3, 4, 5}))
    for name, sentence in found.verdicts().items():
        say(f"{name}: {sentence}")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _ends(ends: list[float] | None) -> str:
    return "" if ends is None else f"{ends[0]:.3g} to {ends[1]:.3g}"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("compare")(compare)
