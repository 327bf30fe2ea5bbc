"""``aftercast backtest``: how well a model would have forecast, tested on data from after its training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from aftercast.cli.common import (
    HorizonOption,
    KindArgument,
    SetOption,
    SettingsOption,
    WorkspaceOption,
    note,
    opened,
    print_parts,
    progress,
    require_writable,
    writing,
)

if TYPE_CHECKING:  # loaded when the command runs, as in every command
    from aftercast.models.kind import BacktestResult

PANEL = "Models"

TrainUntil = Annotated[
    list[str] | None,
    typer.Option(help="Train on nothing after this; given several times, each training is tested until the next."),
]
TestUntil = Annotated[str | None, typer.Option(help="Last test cutoff; its horizon must end within the data.")]
ActWithin = Annotated[
    str | None,
    typer.Option(help="Time needed to act. A failure counts as found only if its alarm came at least so long before."),
]
HoldOut = Annotated[
    str | None,
    typer.Option(help="Test devices that are in no training: devices:0.2, or newest (hardware generation)."),
]
Shift = Annotated[bool, typer.Option(help="Follow the shift of the base rate since the training, as scoring does.")]
Draws = Annotated[int, typer.Option(min=0, help="Draws of devices for the 95 % intervals; 0 for no intervals.")]
HtmlFile = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write the report as one page to read.")]
ForecastsFile = Annotated[
    Path | None,
    typer.Option("--forecasts", metavar="FILE", help="Write every forecast as Parquet, for `aftercast compare`."),
]


def backtest(
    kind: KindArgument,
    *,
    train_until: TrainUntil = None,
    test_from: Annotated[str | None, typer.Option(help="First test cutoff.")] = None,
    test_until: TestUntil = None,
    horizon: HorizonOption = None,
    every: Annotated[str | None, typer.Option(help="Time between test cutoffs. [default: 24h]")] = None,
    retrain: Annotated[Literal["once", "daily"], typer.Option(help="Train once, or anew every day.")] = "once",
    act_within: ActWithin = None,
    hold_out: HoldOut = None,
    shift: Shift = True,
    draws: Draws = 200,
    seed: Annotated[int, typer.Option(help="Seed of the training and of the hold-out.")] = 0,
    settings: SettingsOption = None,
    setting: SetOption = None,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the report as JSON.")] = None,
    html_file: HtmlFile = None,
    forecasts_file: ForecastsFile = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Test a model on later data, beside its baselines.

    Example: aftercast backtest failure --train-until 2025-06-30 --test-from 2025-06-30 --test-until 2025-08-15 -w fleet
    """
    from aftercast.models.kind import BacktestRequest
    from aftercast.models.kinds import kind_of
    from aftercast.pipelines.kind_settings import given_settings

    require_writable(json_file, html_file, forecasts_file)
    place = opened(workspace)
    asked = BacktestRequest(
        kind=kind,
        train_until=train_until or [],
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
        settings=given_settings(place, kind, settings, setting or []),
    )
    with progress(f"Testing {kind}") as tell:
        report = kind_of(kind).backtest(place, asked, tell)
    print_parts(report.shown())  # first: a disk that filled up meanwhile does not take it away
    _write(report, json_file, html_file, forecasts_file)


def _write(report: BacktestResult, json_file: Path | None, html_file: Path | None, forecasts_file: Path | None) -> None:
    def write_json(file: Path) -> None:
        file.write_text(json.dumps(report.to_dict(), indent=2, allow_nan=False) + "\n", encoding="utf-8")

    ways = ((json_file, write_json), (html_file, report.write_html), (forecasts_file, report.write_forecasts))
    for file, write in ways:
        if file is not None:
            with writing(file):
                write(file)
            note(f"{file} written.")
