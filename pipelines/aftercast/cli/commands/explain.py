"""``aftercast explain``: why one device is at risk, what happened to similar ones, and what to bring."""

from __future__ import annotations

from typing import Annotated

import typer

from aftercast.cli.common import (
    HorizonOption,
    JsonFlag,
    KindArgument,
    WorkspaceOption,
    instant,
    opened,
    print_json,
    print_parts,
    progress,
)

PANEL = "Plan"


def explain(
    kind: KindArgument,
    entity_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the device or customer.")],
    *,
    cutoff: Annotated[str | None, typer.Option(help="Explain at this instant. [default: the last scoring]")] = None,
    horizon: HorizonOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Explain one forecast: reasons, components, fault codes, similar past cases, parts.

    Everything is from what was known at the cutoff. Similar cases had the same reasons; they are examples, not a
    probability.

    Example: aftercast explain failure D000012 -w fleet
    """
    from aftercast.models.kinds import kind_of

    place, moment = opened(workspace), instant(cutoff)
    with progress("Explaining:") as tell:
        found = kind_of(kind).explain(place, entity_id, cutoff=moment, horizon=horizon, progress=tell)
    if as_json:
        print_json(found.to_dict())
    else:
        print_parts(found.shown())
