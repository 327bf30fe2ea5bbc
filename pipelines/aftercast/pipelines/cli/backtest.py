"""``aftercast backtest``: how well it would have forecast, on data after everything it was trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from aftercast.pipelines.cli.common import KindName, WorkspaceOption, note, opened, progress, say


def backtest(
    kind: Annotated[KindName, typer.Argument(help="What to forecast.")],
    *,
    train_until: Annotated[str, typer.Option(help="Train on nothing after this.")],
    test_from: Annotated[str, typer.Option(help="First cutoff tested.")],
    test_until: Annotated[str, typer.Option(help="Last cutoff tested; its horizon must lie within the data.")],
    horizon: Annotated[str, typer.Option(help="How far ahead.")] = "7d",
    every: Annotated[str, typer.Option(help="Time between test cutoffs.")] = "24h",
    retrain: Annotated[Literal["once", "daily"], typer.Option(help="Train once, or anew every day.")] = "once",
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the report as JSON.")] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Test a model on later data, beside its baselines.

    Example: aftercast backtest failure --train-until 2025-06-30 --test-from 2025-06-30 --test-until 2025-08-15 -w fleet
    """
    from aftercast.pipelines.backtest import BacktestRequest, run_backtest

    place = opened(workspace)
    asked = BacktestRequest(
        kind=kind,
        train_until=train_until,
        test_from=test_from,
        test_until=test_until,
        horizon=horizon,
        every=every,
        retrain=retrain,
    )
    with progress(f"Testing {kind}") as tell:
        report = run_backtest(place, asked, tell)
    if json_file is not None:
        report.write(json_file)
        note(f"Report written to {json_file}.")
    say(report.text())


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("backtest")(backtest)
