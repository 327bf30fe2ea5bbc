"""``aftercast compare``: whether one model is better than another on the same rows, or it is chance."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aftercast.cli.common import JsonFlag, KindArgument, print_json, print_parts

Forecasts = Annotated[
    str, typer.Argument(metavar="FILE[:MODEL]", help="Forecasts of a backtest; the model is ours by default.")
]

PANEL = "Models"


def compare(
    kind: KindArgument,
    a: Forecasts,
    b: Forecasts,
    *,
    draws: Annotated[int, typer.Option(min=2, help="Draws of devices for the intervals.")] = 1000,
    as_json: JsonFlag = False,
) -> None:
    """Compare two backtests on the same rows: the difference of each metric (B minus A) with a paired 95 % interval.

    `aftercast backtest ... --forecasts FILE.parquet` writes the files. Without a model, ours is compared.

    Example: aftercast compare failure forecasts.parquet:logistic forecasts.parquet:aftercast
    """
    from aftercast.models.kinds import kind_of

    found = kind_of(kind).compare(_parted(a), _parted(b), draws=draws)
    if as_json:
        print_json(found.to_dict())
    else:
        print_parts(found.shown())


def _parted(text: str) -> tuple[Path, str]:
    """File and model, empty for our own; a name that is itself a file is not parted."""
    before, _, after = text.rpartition(":")
    return (Path(text), "") if before == "" or Path(text).exists() else (Path(before), after)
