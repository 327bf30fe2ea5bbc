"""``aftercast tune``: search better booster settings within the training time."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from aftercast.cli.common import (
    JsonFlag,
    KindArgument,
    UntilOption,
    WorkspaceOption,
    iso_instant,
    note,
    opened,
    print_json,
    print_table,
    progress,
    say,
)

SHOWN = 10

PANEL = "Models"


def tune(
    kind: KindArgument,
    *,
    until: UntilOption = None,
    trials: Annotated[int, typer.Option(min=2, help="How many settings to try, the defaults among them.")] = 30,
    minutes: Annotated[
        float | None,
        typer.Option(
            min=0, help="Start no trial after so many minutes; the number of trials then depends on the machine."
        ),
    ] = None,
    folds: Annotated[int, typer.Option(min=2, help="Parts of the second half of the time; the last is held out.")] = 4,
    seed: Annotated[int, typer.Option(help="Seed of the search and of the trainings.")] = 0,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the settings to train with.")] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Search for settings that forecast better than the defaults, within the training time.

    Each trial trains at several instants and is judged on the time after each. The last part is held out: the best
    trial is used only if it beats the defaults there by more than one standard error. `aftercast train` and `aftercast
    backtest` read the file with --settings. MLflow keeps every trial.

    Example: aftercast tune failure --trials 30 --out tuned.toml -w fleet
    """
    from aftercast.pipelines.engine import run_flow
    from aftercast.pipelines.flows import tune as flow

    asked = {"until": iso_instant(until), "folds": folds, "trials": trials, "minutes": minutes, "seed": seed}
    with progress(f"Searching {kind} settings:") as tell:
        result = run_flow(opened(workspace), flow.run, progress=tell, kind=kind, **asked)
    if out is not None:
        _write(result, out)
    if as_json:
        print_json(result)
    else:
        _show(result)


def _write(result: dict[str, Any], out: Path) -> None:
    from aftercast.models.fit.settings_file import write_settings
    from aftercast.models.hazard import HazardSettings

    about = f"{result['kind']} until {result['until'][:10]}, {len(result['trials'])} trials.\n"
    write_settings(HazardSettings(**result["settings"]), out, about + result["verdict"]["sentence"])
    note(f"{out} written.")


def _show(result: dict[str, Any]) -> None:
    if result["repeated"]:
        say("This was searched before on the same data; nothing changed. The result of then:")
    names = list(result["best"]["values"])
    ranked = sorted(result["trials"], key=lambda trial: (trial["pruned"], _mean(trial)))
    rows = [_row(trial, names) for trial in ranked[:SHOWN]]
    default = result["trials"][0]
    if default not in ranked[:SHOWN]:
        rows.append(_row(default, names))
    searched = [fold for fold in result["folds"] if not fold["held"]]
    title = (
        f"Log loss within {result['horizon']}, mean of {len(searched)} folds from {searched[0]['test_from'][:10]} on"
    )
    print_table(title, ["trial", *names, "log loss"], rows, right=frozenset(range(1, len(names) + 2)))
    given_up = sum(trial["pruned"] for trial in result["trials"])
    held, verdict = result["folds"][-1], result["verdict"]
    said = f"defaults {verdict['default']:.5f}, best {verdict['best']:.5f}."
    say(f"{len(result['trials'])} trials, {given_up} given up early. MLflow run {result['run_id']}.")
    say(f"Held fold, {held['test_from'][:10]} to {held['test_until'][:10]}: {said}")
    say(verdict["sentence"])


def _row(trial: dict[str, Any], names: list[str]) -> list[str]:
    label = "defaults" if trial["number"] == 0 else str(trial["number"])
    loss = f"given up after {len(trial['losses'])}" if trial["pruned"] else f"{_mean(trial):.5f}"
    return [label, *(f"{trial['values'][name]:.3g}" for name in names), loss]


def _mean(trial: dict[str, Any]) -> float:
    return float(sum(trial["losses"]) / len(trial["losses"]))
