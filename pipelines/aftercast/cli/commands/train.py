"""``aftercast train``: train a model, log it, and make it champion if it passes the gate."""

from __future__ import annotations

from typing import Annotated

import typer

from aftercast.cli.common import (
    AgainFlag,
    JsonFlag,
    KindArgument,
    SetOption,
    SettingsOption,
    UntilOption,
    WorkspaceOption,
    iso_instant,
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
    until: UntilOption = None,
    seed: Annotated[int, typer.Option(help="Seed of all random numbers.")] = 0,
    settings: SettingsOption = None,
    setting: SetOption = None,
    again: AgainFlag = False,
    workspace: WorkspaceOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Train a model and compare it with its baselines. MLflow keeps the run.

    Every feature is checked for leaks (see `aftercast leakage`). A model with a leak is kept, but never becomes
    champion: the command then ends with an error that names the feature and the reason.

    Example: aftercast train failure --until 2025-06-30 -w fleet
    """
    from aftercast.models.kinds import kind_of
    from aftercast.pipelines.engine import run_flow
    from aftercast.pipelines.flows import train as flow

    place = opened(workspace)
    given = {"settings": None if settings is None else str(settings.resolve()), "pairs": setting or []}
    asked = {"kind": kind, "until": iso_instant(until), "seed": seed, "again": again, **given}
    with progress(f"Training {kind}") as tell:
        result = run_flow(place, flow.run, progress=tell, **asked)
    if as_json:
        print_json(result)
        return
    if result["repeated"]:
        say("This was trained before on the same data; nothing changed (--again trains once more). The earlier result:")
    print_parts(kind_of(kind).shown_training(result))
    say(f"Version {result['version']} of aftercast-{kind}, run {result['run_id']}. {result['decision']}")
