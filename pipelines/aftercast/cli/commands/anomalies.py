"""``aftercast anomalies``: which devices are unusual and which are silent, without any model of failures."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from aftercast.cli.common import (
    JsonFlag,
    WorkspaceOption,
    instant,
    note,
    opened,
    print_json,
    print_table,
    progress,
    say,
)


def anomalies(
    *,
    cutoff: Annotated[str | None, typer.Option(help="Judge at this instant. [default: the latest cutoff]")] = None,
    rate: Annotated[float, typer.Option(help="Alarms allowed per device and month of 30 days.")] = 0.1,
    quiet: Annotated[str, typer.Option(help="A device alarms again after so long without alarm.")] = "7d",
    compare: Annotated[
        Literal["both", "past", "cohort"], typer.Option(help="What a device is compared with.")
    ] = "both",
    top: Annotated[int | None, typer.Option(min=1, help="How many devices. [default: 20 in a table, else all]")] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonFlag = False,
) -> None:
    """List devices whose sensors left their usual range, at a rate of alarms you set, and devices gone silent.

    Needs telemetry and no failures. A score says how unusual a device is, not how likely it fails.

    Example: aftercast anomalies --rate 0.1 --top 20 -w fleet
    """
    from aftercast.models.kinds.anomaly import AnomalySettings
    from aftercast.models.kinds.anomaly.fleet import judge_fleet

    place, moment = opened(workspace), instant(cutoff)
    with progress("Comparing with the past") as tell:
        found = judge_fleet(
            place.store,
            place.fleet,
            cutoff=moment,
            alarms_per_device_month=rate,
            quiet=quiet,
            settings=AnomalySettings(compare=compare),
            progress=tell,
        )
    if as_json:
        print_json(found.to_dict(top))
    else:
        _show(found, 20 if top is None else top)


def _show(found: Any, top: int) -> None:
    listed = found.worth_showing
    columns = ["device", "model", "state", "since", "score", "why"]
    rows = [
        [
            row["device_id"],
            row["device_model"] if isinstance(row["device_model"], str) else "",
            row["state"],
            _since(row),
            f"{row['anomaly_score']:.1f}" if row["state"] == "unusual" else "",
            "\n".join([each.sentence for each in row["deviations"]] + list(row["notices"])),
        ]
        for row in listed.head(top).to_dict("records")
    ]
    print_table(f"Unusual and silent devices at {found.cutoff:%Y-%m-%d %H:%M} UTC", columns, rows, right=frozenset({4}))
    reference = found.view.reference
    say(
        f"{found.count('unusual')} of {len(found.scored):,} devices unusual (score from {found.view.threshold:.1f}), "
        f"{found.count('dark')} dark, {found.count('not judged')} not judged."
    )
    say(
        f"Alarms per device-month: at most {found.view.rate:g} asked, {reference.per_device_month:.3f} in "
        f"{reference.device_months:,.0f} device-months before ({found.view.settings.confidence:.0%} sure: at most "
        f"{reference.upper(found.view.settings.confidence):.3f}). A score is no probability."
    )
    if len(found.noticed) > 0:
        note(f"{len(found.noticed)} usual devices have notices, as ignored sensors: --json shows them.")
    if len(listed) > top:
        note(f"{len(listed) - top} more with --top {len(listed)}.")


def _since(row: dict[str, Any]) -> str:
    import pandas as pd

    moment = row["unusual_since"] if row["state"] == "unusual" else row["silent_since"]
    return "" if pd.isna(moment) else f"{moment:%Y-%m-%d}"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("anomalies")(anomalies)
