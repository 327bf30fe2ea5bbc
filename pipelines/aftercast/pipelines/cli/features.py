"""``aftercast features``: the feature dictionary."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

import typer

from aftercast.pipelines.cli.common import JsonFlag, WorkspaceOption, opened, print_json, print_table, say

features = typer.Typer(help="What the models are told of a device or a customer.", no_args_is_help=True)


@features.command("describe")
def describe(
    grain: Annotated[Literal["device", "customer"], typer.Option(help="Whose features.")] = "device",
    workspace: WorkspaceOption = None,
    as_json: JsonFlag = False,
) -> None:
    """List every feature with its unit and meaning.

    Example: aftercast features describe --grain customer -w fleet
    """
    from aftercast.features.dictionary import feature_dictionary

    place = opened(workspace)
    found = feature_dictionary(
        place.fleet, "device_id" if grain == "device" else "customer_id", _attributes(place, grain)
    )
    if as_json:
        print_json([asdict(feature) for feature in found])
        return
    print_table("", ["feature", "unit", "what", "view"], [[f.name, f.unit, f.about, f.view] for f in found])
    say(f"{len(found)} features of a {grain}.")


def _attributes(place: Any, grain: str) -> Any:
    """Attributes of devices or customers that are in the data beyond the contract's columns."""
    from aftercast.features.history import attributes_of

    table = f"{grain}s"
    return attributes_of(place.store.read(table), table)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(features, name="features")
