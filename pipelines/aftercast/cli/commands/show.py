"""``aftercast show``: all that is stored of a device or customer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from aftercast.cli.common import JsonFlag, WorkspaceOption, counted, instant, opened, print_json, print_table, say

if TYPE_CHECKING:  # loaded when the command runs, as in every command
    import pandas as pd

SHOWN = 20
WIDEST = 8
"""Sensors or attributes that a table on the screen has room for."""

PANEL = "Data"


def show(
    entity_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the device or customer.")],
    *,
    at: Annotated[str | None, typer.Option(help="As it was known at this time. [default: now]")] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Show all that is stored of a device or customer, table by table, newest first, with where it came from.

    Facts that were taken back by then are left out. --json has every row and column.

    Example: aftercast show D000012 --at 2025-06-30 -w fleet
    """
    from aftercast.data.stored_of import stored_of
    from aftercast.operations.database.forecasts import sets_of
    from aftercast.operations.errors import NotFoundError

    place, moment = opened(workspace), instant(at)
    found = stored_of(place.store, entity_id, moment)
    forecasts = [each for each in sets_of(place.database, entity_id) if moment is None or each["scored_at"] <= moment]
    if not found and not forecasts:
        when = "" if moment is None else f" at {moment:%Y-%m-%d %H:%M} UTC"
        raise NotFoundError(
            f"Nothing was known of '{entity_id}'{when}.", "Check the id; `aftercast status` has counts."
        )
    if as_json:
        tables = {name: _records(frame) for name, frame in found.items()}
        print_json({"id": entity_id, "tables": tables, "forecasts": [_plain(each) for each in forecasts]})
        return
    for name, frame in found.items():
        _show(name, frame)
    for each in forecasts[:SHOWN]:
        say(f"Forecast of {each['kind']} at {each['cutoff']:%Y-%m-%d %H:%M}, model version {each['model_version']}")
    if forecasts[SHOWN:]:
        say(f"{len(forecasts) - SHOWN:,} more forecasts.")


def _show(name: str, frame: pd.DataFrame) -> None:
    columns = [str(column) for column in frame.columns]
    left_out = columns[WIDEST:-1] if len(columns) > WIDEST + 1 else []
    kept = [column for column in columns if column not in left_out]
    rows = [[_cell(row[column]) for column in kept] for row in _records(frame.head(SHOWN))]
    print_table(f"{name}: {counted(len(frame), 'row', 'rows')}", kept, rows)
    if left_out:
        say(f"Not shown: {', '.join(left_out[:WIDEST])}{' ...' if left_out[WIDEST:] else ''}. All of it: --json")


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [_plain({str(name): value for name, value in row.items()}) for row in frame.to_dict("records")]


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Values for JSON: times as ISO 8601, missing ones as None."""
    import pandas as pd

    return {
        name: None if pd.isna(value) else value.isoformat() if isinstance(value, pd.Timestamp) else value
        for name, value in row.items()
    }


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)[:19] if isinstance(value, str) and value[10:11] == "T" else str(value)
