"""``aftercast train``: train a model, log it, and let it score when it deserves to."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from aftercast.cli.common import (
    AgainFlag,
    JsonFlag,
    KindArgument,
    SetOption,
    SettingsOption,
    WorkspaceOption,
    instant,
    opened,
    print_json,
    print_parts,
    progress,
    say,
)

PANEL = "Models"


def train(
    kind: KindArgument,
    *,
    until: Annotated[str | None, typer.Option(help="Read nothing after this. [default: all data]")] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    settings: SettingsOption = None,
    setting: SetOption = None,
    again: AgainFlag = False,
    workspace: WorkspaceOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Train a model and compare it with its baselines; the run is kept in MLflow.

    Every feature is checked for leaks (see `aftercast leakage`). A model with a leak is kept, but never becomes
    champion: the command then ends with an error that names the feature and the reason.

    Example: aftercast train failure --until 2025-06-30 -w fleet
    """
    from aftercast.models.kinds import kind_of
    from aftercast.pipelines.engine import run_flow
    from aftercast.pipelines.kind_settings import given_settings
    from aftercast.pipelines.train import run_train

    place, moment = opened(workspace), instant(until)
    chosen = given_settings(place, kind, settings, setting or [])
    with progress(f"Training {kind}") as tell:

        def direct() -> dict[str, Any]:
            done = run_train(place, kind, until=moment, seed=seed, settings=chosen, again=again, progress=tell)
            return {**done.result, "repeated": done.repeated}

        result = run_flow(
            place,
            "train_flow",
            direct,
            kind=kind,
            until=None if moment is None else moment.isoformat(),
            seed=seed,
            settings=None if settings is None else str(settings.resolve()),
            pairs=setting or [],
            again=again,
        )
    if as_json:
        print_json(result)
        return
    if result["repeated"]:
        say("This was trained before on the same data; nothing changed (--again trains anew). The result of then:")
    print_parts(kind_of(kind).shown_training(result))
    say(f"Version {result['version']} of aftercast-{kind}, run {result['run_id']}. {result['decision']}")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("train", rich_help_panel=PANEL)(train)
