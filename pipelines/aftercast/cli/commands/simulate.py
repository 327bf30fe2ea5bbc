"""``aftercast simulate``: a fleet with known true risks, for trials."""

from __future__ import annotations

from typing import Annotated

import typer

from aftercast.cli.common import JsonFlag, WorkspaceOption, note, opened, print_json, progress, say

PANEL = "Set up"


def simulate(
    devices: Annotated[int, typer.Option(min=1, help="How many devices.")] = 200,
    days: Annotated[int, typer.Option(min=1, help="How many days.")] = 240,
    seed: Annotated[int, typer.Option(help="The same seed makes the same fleet; its days are all over by today.")] = 7,
    workspace: WorkspaceOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Simulate a fleet into the workspace's folder `simulated`, ready to import.

    Example: aftercast simulate --devices 200 --days 240 --seed 7 -w fleet
    """
    from aftercast.data.fleet import load_fleet
    from aftercast.data.simulator import simulate as run_simulation
    from aftercast.data.workspace import FLEET_FILE, write_fleet

    place = opened(workspace)
    folder = place.path("simulated")
    with progress("Simulating") as tell:
        summary = run_simulation(folder, devices=devices, days=days, seed=seed, progress=tell)
    empty = place.store.version() == 0
    if empty:
        write_fleet(place.path(FLEET_FILE), load_fleet(folder / FLEET_FILE))
    else:
        note(f"The workspace holds data already: its fleet spec stays; the simulated one is {folder / FLEET_FILE}.")
    if as_json:
        print_json(summary.to_dict())
        return
    say(summary.text())
    say(f"Next: aftercast import tables {folder / 'tables'} --workspace {place.folder}")
