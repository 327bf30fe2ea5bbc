"""``aftercast remaining-life``: cycles left to units of a fleet whose units run to failure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aftercast.cli.common import (
    JsonFlag,
    WorkspaceOption,
    instant,
    note,
    opened,
    print_json,
    print_table,
    progress,
    say,
)

if TYPE_CHECKING:
    from aftercast.models.kinds.remaining_life import RemainingLifeSettings

SHOWN = 20

UntilOption = Annotated[str | None, typer.Option(help="Read nothing after this. [default: all data]")]
ComponentOption = Annotated[
    str | None, typer.Option(help="Whose failures end a life. [default: the fleet's only component]")
]
SettingOption = Annotated[
    list[str] | None,
    typer.Option(help="Sensor that says how a unit is operated; may be repeated. [default: those named setting...]"),
]
CapOption = Annotated[float, typer.Option(min=1, help="Cycles left beyond which healthy units are all alike.")]
FoldsOption = Annotated[int, typer.Option(min=2, help="Groups of whole units; each is judged by the others.")]

remaining_life = typer.Typer(
    help="Cycles left to running units, learnt from units that were run to failure. A cycle is a telemetry row.",
    no_args_is_help=True,
)


@remaining_life.command("train")
def train(
    *,
    until: UntilOption = None,
    component: ComponentOption = None,
    setting: SettingOption = None,
    cap: CapOption = 125.0,
    folds: FoldsOption = 5,
    workspace: WorkspaceOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Train on units run to failure and compare with the baselines in folds of whole units; the run is kept in MLflow.

    The model becomes champion only when it is better than what the age alone tells, by more than chance.

    Example: aftercast remaining-life train --until 2025-06-30 -w fleet
    """
    from aftercast.pipelines.remaining_life import run_life_training

    place, moment = opened(workspace), instant(until)
    with progress("Training remaining life") as tell:
        done = run_life_training(
            place,
            until=moment,
            component=component,
            setting_columns=setting or None,
            settings=_settings(cap, folds),
            progress=tell,
        )
    if as_json:
        print_json({**done.result, "repeated": done.repeated})
    else:
        _show_training(done.result, repeated=done.repeated)


@remaining_life.command("list")
def list_units(
    *,
    cutoff: Annotated[str | None, typer.Option(help="Judge at this instant. [default: the end of the data]")] = None,
    top: Annotated[
        int | None, typer.Option(min=1, help="How many judged units. [default: 20 in a table, else all]")
    ] = None,
    in_field: Annotated[bool, typer.Option("--in-field", help="Leave retired units out.")] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonFlag = False,
) -> None:
    """List running units, the one with the least cautious remaining life first.

    Cautious is the answer that costs least when late is worse than early. An interval that reaches the cap says "at
    least". Units that cannot be judged follow at the end, always all of them, and say what is needed.

    Example: aftercast remaining-life list --top 10 -w fleet
    """
    from aftercast.pipelines.remaining_life import list_remaining_lives

    place, moment = opened(workspace), instant(cutoff)
    with progress("Judging running units") as tell:
        found = list_remaining_lives(place, cutoff=moment, progress=tell)
    units = [unit for unit in found["units"] if not (in_field and unit["retired"])]
    judged = [unit for unit in units if unit["cautious"] is not None]
    shown = judged[: top or (None if as_json else SHOWN)] + [unit for unit in units if unit["cautious"] is None]
    counts = {"judged": len(judged), "not_judged": len(units) - len(judged)}
    counts["retired_left_out"] = len(found["units"]) - len(units)
    if as_json:
        print_json({**found, "counts": counts, "units": shown})
    else:
        _show_units(found, shown, counts)


@remaining_life.command("backtest")
def backtest(
    *,
    until: UntilOption = None,
    component: ComponentOption = None,
    setting: SettingOption = None,
    cap: CapOption = 125.0,
    folds: FoldsOption = 5,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the report as JSON.")] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Test in folds of whole units, beside age, mean life, ridge regression and plain LightGBM; nothing is kept.

    There is no --train-until: units that are run to failure are compared by cycles, and share no calendar by which one
    half could come before the other. Each unit is judged by a model that saw none of its rows.

    Example: aftercast remaining-life backtest --json report.json -w fleet
    """
    from aftercast.pipelines.remaining_life import life_backtest

    place, moment = opened(workspace), instant(until)
    with progress("Testing remaining life") as tell:
        report = life_backtest(
            place,
            until=moment,
            component=component,
            setting_columns=setting or None,
            settings=_settings(cap, folds),
            progress=tell,
        )
    if json_file is not None:
        json_file.write_text(json.dumps(report, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        note(f"{json_file} written.")
    _show_backtest(report)


def _settings(cap: float, folds: int) -> RemainingLifeSettings:
    from aftercast.models.kinds.remaining_life import RemainingLifeSettings

    return RemainingLifeSettings(cap=cap, folds=folds)


def _show_training(result: dict[str, Any], *, repeated: bool) -> None:
    if repeated:
        say("This was trained before on the same data; nothing changed. The result of then:")
    _show_points(f"Out of {result['folds']} folds of whole units", result["metrics"], result["cap"])
    _show_intervals("Intervals by stage of predicted life, out of fold", result["intervals"])
    _show_source(result)
    say(f"Version {result['version']} of aftercast-remaining-life, run {result['run_id']}. {result['decision']}")


def _show_backtest(report: dict[str, Any]) -> None:
    _show_points(f"All {len(report['folds'])} folds", report["models"], report["cap"])
    names = [name for name in report["models"] if not name.startswith("aftercast")]
    rows = [[f"{each['fold']}", f"{each['units']}", *_fold_row(each, names)] for each in report["folds"]]
    columns = ["fold", "units", "aftercast", *names, "uncapped", "score", "coverage"]
    title = "Fold by fold: capped RMSE of each; uncapped RMSE, score and coverage of aftercast"
    print_table(title, columns, rows, right=frozenset(range(len(columns))))
    _show_intervals("Intervals as the model gives them, widened by all folds", report["intervals"])
    _show_intervals(
        "Intervals in each fold by the other folds only, as for new units", report["intervals_by_other_folds"]
    )
    _show_source(report)
    say("RMSE less that of age alone: {} cycles.".format(_text(report["against_age"], 2)))


def _fold_row(fold: dict[str, Any], names: list[str]) -> list[str]:
    models, own = fold["models"], fold["models"]["aftercast"]
    points = [_text(own["rmse"], 1), *(f"{models[name]['rmse'][0]:.1f}" for name in names)]
    coverage = fold["intervals_by_other_folds"]["all"]["coverage"]
    return [*points, _text(own["rmse_uncapped"], 1), _text(own["score"], 0), _text(coverage, 2)]


def _show_points(title: str, metrics: dict[str, dict[str, list[float]]], cap: float) -> None:
    from aftercast.models.kinds.remaining_life.evaluation import METRICS

    rows = [
        [who, *("{} [{}, {}]".format(*map(metric.text, found[name])) for name, metric in METRICS.items())]
        for who, found in metrics.items()
    ]
    say(
        f"{title}. Rows from the 21st cycle on with at most {1.2 * cap:g} left; each unit weighs the same; cap {cap:g}."
    )
    columns = ["", *(metric.title for metric in METRICS.values())]
    print_table("", columns, rows, right=frozenset(range(1, len(columns))))


def _show_intervals(title: str, found: dict[str, dict[str, Any]]) -> None:
    rows = [
        [name, f"{row['units']}", _text(row["coverage"], 3), _text(row["width"], 1)]
        for name, row in found.items()
        if not name.startswith("true")
    ]
    print_table(title, ["life in cycles", "units", "coverage", "width, cycles"], rows, right=frozenset({1, 2, 3}))


def _show_source(result: dict[str, Any]) -> None:
    reasons = [f"{count} {name}" for name, count in result["left_out"].items() if name != "failed" and count > 0]
    say(
        f"{result['units']} units run to a failure of {result['component']} until {result['until'][:16]}; "
        f"left out: {', '.join(reasons) or 'none'}. Brackets hold 95 % bootstrap intervals over units."
    )


def _show_units(found: dict[str, Any], shown: list[dict[str, Any]], counts: dict[str, int]) -> None:
    model = found["model"]
    columns = ["unit", "cycles run", "remaining", "cautious", f"{model['coverage']:.0%} interval", "stage", "notice"]
    rows = [
        [
            unit["unit"],
            f"{unit['cycles']}",
            _number(unit["remaining"]),
            _number(unit["cautious"]),
            unit["interval"] or "",
            unit["stage"] or "",
            unit["notice"] or "",
        ]
        for unit in shown
    ]
    title = f"Remaining life in cycles at {found['cutoff'][:16]} UTC, {model['component']}"
    print_table(title, columns, rows, right=frozenset({1, 2, 3}))
    say(
        f"{counts['judged']} units judged, {counts['not_judged']} not: fewer than {model['cycles_needed']} cycles, "
        f"or a sensor missing. Version {model['version']}, trained on {model['trained_on_units']} units until "
        f"{model['trained_until'][:16]}; lives beyond {model['cap']:g} cycles count as {model['cap']:g}."
    )
    if counts["retired_left_out"] > 0:
        note(f"{counts['retired_left_out']} retired units left out.")
    hidden = counts["judged"] + counts["not_judged"] - len(shown)
    if hidden > 0:
        note(f"{hidden} more with --top {counts['judged']}.")


def _text(values: list[float], digits: int) -> str:
    centre, low, high = (f"{value:.{digits}f}" for value in values)
    return f"{centre} [{low}, {high}]"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(remaining_life, name="remaining-life")
