"""``aftercast train``: train a model, log it, and let it score when it deserves to."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from aftercast.cli.common import (
    JsonFlag,
    KindName,
    SettingsOption,
    WorkspaceOption,
    instant,
    opened,
    print_json,
    print_table,
    progress,
    say,
)

EVENT = {"failure": "Any failure", "churn": "Leaving"}


def train(
    kind: Annotated[KindName, typer.Argument(help="What to forecast.")],
    *,
    until: Annotated[str | None, typer.Option(help="Read nothing after this. [default: all data]")] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    settings: SettingsOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Train a model and compare it with its baselines; the run is kept in MLflow.

    Every feature is looked at for leaks (see `aftercast leakage`). A model with a leak is kept, but is never made
    champion: the command then ends with an error that names the feature and the reason.

    Example: aftercast train failure --until 2025-06-30 -w fleet
    """
    from aftercast.models.fit.settings_file import read_settings
    from aftercast.pipelines.engine import run_flow
    from aftercast.pipelines.train import run_train

    place, moment = opened(workspace), instant(until)
    chosen = None if settings is None else read_settings(settings)
    with progress(f"Training {kind}") as tell:

        def direct() -> dict[str, Any]:
            done = run_train(place, kind, until=moment, seed=seed, settings=chosen, progress=tell)
            return {**done.result, "repeated": done.repeated}

        text = None if moment is None else moment.isoformat()
        file = None if settings is None else str(settings.resolve())
        result = run_flow(place, "train_flow", direct, kind=kind, until=text, seed=seed, settings=file)
    if as_json:
        print_json(result)
    else:
        _show(result)


def _show(result: dict[str, Any]) -> None:
    if result["repeated"]:
        say("This was trained before on the same data; nothing changed. The result of then:")
    from aftercast.models.judge.metrics import table_of

    columns, rows = table_of(result["metrics"])
    title = f"{EVENT[result['kind']]} within {result['validation_horizon']}, from {result['validation_from'][:10]} on"
    print_table(title, columns, rows, right=frozenset(range(1, len(columns))))
    failures = ", ".join(f"{name} {count:,}" for name, count in result["failures"].items())
    say(f"Trained on {result['examples']:,} examples until {result['until'][:16]}. Events: {failures}.")
    say(f"Version {result['version']} of aftercast-{result['kind']}, run {result['run_id']}. {result['decision']}")
    if "leakage" in result:  # results of earlier versions have none
        say(result["leakage"])


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("train")(train)
