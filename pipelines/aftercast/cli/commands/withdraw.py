"""``aftercast withdraw``: take a stored fact back."""

from __future__ import annotations

from typing import Annotated

import typer

from aftercast.cli.common import WorkspaceOption, instant, opened, say

PANEL = "Data"


def withdraw(
    table: Annotated[str, typer.Argument(metavar="TABLE", help="Table of the fact, as in `aftercast tables`.")],
    key: Annotated[list[str], typer.Argument(metavar="KEY...", help="Its key, the columns in the order of the page.")],
    *,
    reason: Annotated[str, typer.Option(help="Why, in your words.")],
    at: Annotated[str | None, typer.Option(help="Since when it was known to be wrong. [default: now]")] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Take a fact back: nobody believes it from then on; what was forecast before stays as it was.

    Importing its file again does not bring it back; a later row with the same key does. `aftercast vacuum` removes it
    from the disk.

    Example: aftercast withdraw failures D000012 2025-06-01T08:00:00Z pump --reason "wrong device" -w fleet
    """
    import pandas as pd

    from aftercast.data.contract import TABLES, WITHDRAWAL_REASON, WITHDRAWN
    from aftercast.data.ingest import Batch, ingest
    from aftercast.operations.errors import InputError, NotFoundError
    from aftercast.operations.spelling import suggestion

    if table not in TABLES:
        raise InputError(f"There is no table '{table}'.", suggestion(table, TABLES, "Tables"))
    names = TABLES[table].key
    if len(key) != len(names):
        raise InputError(
            f"A row of {table} is named by {' and '.join(names)}; {len(key)} were given.",
            f"Write: aftercast withdraw {table} {' '.join(name.upper() for name in names)} --reason WHY",
        )
    moment = instant(at)
    row = {**dict(zip(names, key, strict=True)), WITHDRAWN.name: "true", WITHDRAWAL_REASON.name: reason}
    row |= {} if moment is None else {"available_at": moment.isoformat()}
    place = opened(workspace)
    report = ingest(place.store, [Batch(table, pd.DataFrame([row]), "withdraw")], place.fleet, origin="withdraw").table(
        table
    )
    if report.quarantined:
        said = next(iter(report.examples.values()))
        raise NotFoundError(f"Nothing was taken back: {said}.", "`aftercast show ID` shows what is stored of an id.")
    place.audit.append("fact.withdrawn", {"table": table, "reason": reason})
    if report.withdrawn == 0:
        say("It was taken back before; nothing changed.")
    else:
        say(f"Taken back from {table}. Next: aftercast score, so that forecasts follow.")
