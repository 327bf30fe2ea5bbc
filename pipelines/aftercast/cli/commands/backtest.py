"""``aftercast backtest``: how well it would have forecast, on data after everything it was trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from aftercast.cli.common import KindName, SettingsOption, WorkspaceOption, note, opened, progress, say


def backtest(
    kind: Annotated[KindName, typer.Argument(help="What to forecast.")],
    *,
    train_until: Annotated[
        list[str],
        typer.Option(help="Train on nothing after this; given several times, each training is tested until the next."),
    ],
    test_from: Annotated[str, typer.Option(help="First cutoff tested.")],
    test_until: Annotated[str, typer.Option(help="Last cutoff tested; its horizon must lie within the data.")],
    horizon: Annotated[str, typer.Option(help="How far ahead.")] = "7d",
    every: Annotated[str, typer.Option(help="Time between test cutoffs.")] = "24h",
    retrain: Annotated[Literal["once", "daily"], typer.Option(help="Train once, or anew every day.")] = "once",
    act_within: Annotated[
        str | None, typer.Option(help="Time needed to act: a failure counts as found only if flagged so long before.")
    ] = None,
    hold_out: Annotated[
        str | None, typer.Option(help="Test devices no training sees: devices:0.2, or newest (hardware generation).")
    ] = None,
    shift: Annotated[
        bool, typer.Option(help="Move the odds at each cutoff by what came since the training, as scoring does.")
    ] = True,
    draws: Annotated[int, typer.Option(min=0, help="Draws of devices for 95 % intervals; 0: none.")] = 200,
    seed: Annotated[int, typer.Option(help="Seed of the training and of the hold-out.")] = 0,
    settings: SettingsOption = None,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the report as JSON.")] = None,
    html_file: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write the report as one page to read.")
    ] = None,
    forecasts_file: Annotated[
        Path | None,
        typer.Option("--forecasts", metavar="FILE", help="Write every forecast as Parquet, for `aftercast compare`."),
    ] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Test a model on later data, beside its baselines.

    Example: aftercast backtest failure --train-until 2025-06-30 --test-from 2025-06-30 --test-until 2025-08-15 -w fleet
    """
    from aftercast.models.fit.settings_file import read_settings
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
        act_within=act_within,
        hold_out=hold_out,
        shift=shift,
        draws=draws,
        seed=seed,
        settings=None if settings is None else read_settings(settings),
    )
    with progress(f"Testing {kind}") as tell:
        report = run_backtest(place, asked, tell)
    for file, write in (
        (json_file, report.write),
        (html_file, report.write_html),
        (forecasts_file, report.write_forecasts),
    ):
        if file is not None:
            write(file)
            note(f"{file} written.")
    say(report.text())


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("backtest")(backtest)
