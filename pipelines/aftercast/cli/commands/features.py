"""``aftercast features``: the feature dictionary."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Literal

import typer

from aftercast.cli.common import JsonFlag, WorkspaceOption, opened, print_json, print_table, say

PANEL = "Data"

features = typer.Typer(help="What the models are told of a device or a customer.", no_args_is_help=True)


@features.command("describe")
def describe(
    grain: Annotated[
        Literal["device", "customer"], typer.Option(help="Features of devices, or of customers.")
    ] = "device",
    workspace: WorkspaceOption = None,
    as_json: JsonFlag = False,
) -> None:
    """List every feature with its unit and meaning.

    Example: aftercast features describe --grain customer -w fleet
    """
    from aftercast.models.examples.feature_list import described

    place = opened(workspace)
    found = described(place.store, place.fleet, "device_id" if grain == "device" else "customer_id")
    if as_json:
        print_json([asdict(feature) for feature in found])
        return
    print_table("", ["feature", "unit", "what", "view"], [[f.name, f.unit, f.about, f.view] for f in found])
    say(f"{len(found)} features of a {grain}.")
