"""``aftercast explain``: why one device is at risk, what happened to similar ones, and what to bring."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from aftercast.cli.common import JsonFlag, WorkspaceOption, instant, opened, print_json, print_table, progress, say


def explain(
    device: Annotated[str, typer.Argument(help="Id of the device.")],
    *,
    cutoff: Annotated[str | None, typer.Option(help="Explain at this time. [default: the last scoring]")] = None,
    horizon: Annotated[str | None, typer.Option(help="How far ahead. [default: 7d]")] = None,
    top: Annotated[int, typer.Option(min=1, help="How many components.")] = 3,
    cases: Annotated[int, typer.Option(min=0, help="How many similar cases.")] = 5,
    workspace: WorkspaceOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Explain the risk of one device: components, reasons, fault codes, similar past cases, parts.

    Only what was known at the cutoff is used. Similar cases had their risk moved by the same features. They are
    examples, not a probability.

    Example: aftercast explain D000012 -w fleet
    """
    from aftercast.models.words.explanation import explain_device

    place, moment = opened(workspace), instant(cutoff)
    with progress("Explaining:") as tell:
        found = explain_device(
            place, device, cutoff=moment, horizon=horizon, components=top, cases=cases, progress=tell
        )
    if as_json:
        print_json(found.to_dict())
    else:
        _show(found)


def _show(found: Any) -> None:
    from aftercast.models.words.answers import percent

    said = found.answer
    model = f" ({said.device_model})" if said.device_model else ""
    say(f"{said.entity_id}{model} at {said.cutoff:%Y-%m-%d %H:%M} UTC: {said.sentence}.")
    say(_grounds(said))
    rows = [[name, percent(probability), sku or ""] for name, probability, sku in found.components]
    print_table("Components", ["component", f"fails within {said.horizon}", "usual part"], rows, right=frozenset({1}))
    say("Why:")
    for driver in said.drivers:
        say(f"  {'+' if driver.contribution > 0 else '-'} {driver.text}")
    if not said.drivers:
        say("  nothing tells this device from others: the risk is that of the fleet.")
    for name, signs in found.signs.items():
        for sign in [sign for sign in signs if sign.tells][:2]:
            say(f"  {name}: {sign.sentence}.")
    _show_cases(found)


def _grounds(said: Any) -> str:
    from aftercast.models.words.answers import percent

    ends = "" if said.interval is None else f"Between {percent(said.interval[0])} and {percent(said.interval[1])}. "
    as_of = "no data" if said.data_as_of is None else f"data as of {said.data_as_of:%Y-%m-%d %H:%M} UTC"
    missing = f" No value of {', '.join(said.missing)}." if said.missing else ""
    return f"{ends}Judged by {said.evidence}, {as_of}, model version {said.model_version}.{missing}"


def _show_cases(found: Any) -> None:
    if not found.cases:
        say("There is no earlier case to compare with.")
        return
    own = found.answer.entity_id
    rows = [
        [
            f"{case.device_id}{' (itself)' if case.device_id == own else ''}",
            case.device_model,
            f"{case.cutoff:%Y-%m-%d}",
            f"{case.distance:.2f}",
            _outcome(case),
            "\n".join(_repair(repair) for repair in repairs),
        ]
        for case, repairs in found.cases
    ]
    columns = ["device", "model", "cutoff", "distance", "what became of it", "repair"]
    print_table("Similar past cases", columns, rows, right=frozenset({3}))
    for part in found.parts:
        say(f"Bring {part.sku}: {part.repairs} of {part.of} of these repairs used it, {part.quantity:g} each.")


def _outcome(case: Any) -> str:
    if case.component is None:
        return f"no failure in {case.watched_days:.0f} days"
    return f"{case.component} failed after {case.after_days:.1f} days"


def _repair(repair: Any) -> str:
    parts = ", ".join(f"{count:g} {sku}" for sku, count in repair.parts)
    hours = "" if repair.labour_hours is None else f"{repair.labour_hours:.1f} h"
    outcome = (repair.outcome or "open").replace("_", " ")
    return ", ".join(each for each in (outcome, parts, hours, repair.work_order_id) if each)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("explain")(explain)
