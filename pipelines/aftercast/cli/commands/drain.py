"""``aftercast drain``: store the records that came over HTTP."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from aftercast.cli.common import JsonFlag, WorkspaceOption, counted, note, opened, print_json, progress, say

PANEL = "Serve and operate"


def drain(
    follow: Annotated[bool, typer.Option("--follow", help="Run until stopped.")] = False,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two drains, with --follow.")] = 5.0,
    workspace: WorkspaceOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Store the records that came over HTTP, and renew the answers about their devices and customers.

    Example: aftercast drain --follow -w fleet
    """
    from aftercast.pipelines.engine import run_flow
    from aftercast.pipelines.flows import drain as flow

    place = opened(workspace)
    while True:
        with progress("Draining") as tell:
            result = run_flow(place, flow.run, progress=tell)
        if result["batches"] > 0 or not follow:
            _show(result, as_json)
        if not follow:
            return
        time.sleep(every)


def _show(result: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(result)
        return
    if result["batches"] == 0:
        say("The inbox is empty.")
        return
    say(
        f"{counted(result['batches'], 'batch', 'batches')}, {counted(result['read'], 'record', 'records')}: "
        f"{result['kept']:,} stored, "
        f"{result['quarantined']:,} findings in quarantine; {result['renewed']:,} devices and "
        f"{result['renewed_customers']:,} customers renewed."
    )
    if result["refused"] > 0:
        stays = "it stays" if result["refused"] == 1 else "they stay"
        refused = counted(result["refused"], "batch", "batches")
        note(f"{refused} could not be read at all; {stays} in the inbox, marked as refused.")
    for each in result["refusals"]:
        note(f"  {each['batch_id']} ({each['table']}): {each['reason']}")
