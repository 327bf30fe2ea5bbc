"""``aftercast train``: train a model, log it, and let it score when it deserves to."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from aftercast.pipelines.cli.common import (
    JsonFlag,
    KindName,
    WorkspaceOption,
    instant,
    opened,
    print_json,
    print_table,
    progress,
    say,
)


def train(
    kind: Annotated[KindName, typer.Argument(help="What to forecast.")],
    until: Annotated[str | None, typer.Option(help="Read nothing after this. [default: all data]")] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    workspace: WorkspaceOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Train a model and compare it with its baselines; the run is kept in MLflow.

    Example: aftercast train failure --until 2025-06-30 -w fleet
    """
    from aftercast.pipelines.train import run_train

    from aftercast.pipelines.engine import run_flow

    place, moment = opened(workspace), instant(until)
    with progress(f"Training {kind}") as tell:

        def direct() -> dict[str, Any]:
            done = run_train(place, kind, until=moment, seed=seed, progress=tell)
            return {**done.result, "repeated": done.repeated}

        text = None if moment is None else moment.isoformat()
        result = run_flow(place, "train_flow", direct, kind=kind, until=text, seed=seed)
    if as_json:
        print_json(result)
    else:
        _show(result)


def _show(result: dict[str, Any]) -> None:
    if result["repeated"]:
        say("This was trained before on the same data; nothing changed. The result of then:")
    names = sorted({name for values in result["metrics"].values() for name in values})
    rows = [[who, *(_number(values.get(name)) for name in names)] for who, values in result["metrics"].items()]
    print_table("On the validation period", ["", *names], rows, right=frozenset(range(1, len(names) + 1)))
    say(f"Trained on {result['examples']:,} examples until {result['until']}, {result['events']:,} with an event.")
    say(f"Version {result['version']} of aftercast-{result['kind']}, run {result['run_id']}. {result['decision']}")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("train")(train)
