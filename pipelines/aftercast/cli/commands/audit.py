"""``aftercast audit``: check, show and export the log of answers and changes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aftercast.cli.common import JsonFlag, WorkspaceOption, counted, note, opened, print_json, print_table, say, writing

if TYPE_CHECKING:
    from aftercast.operations.audit import Verification
PANEL = "Serve and operate"

audit = typer.Typer(help="Check, show and export the log of answers and changes.", no_args_is_help=True)


@audit.command("verify")
def verify(workspace: WorkspaceOption = None, as_json: JsonFlag = False) -> None:
    """Check that no entry was altered, removed, inserted or moved; exit code 2 if one was.

    Example: aftercast audit verify -w fleet
    """
    from dataclasses import asdict

    from aftercast.operations.audit import AuditError
    from aftercast.operations.audit import verify as verify_log

    place = opened(workspace)
    found = verify_log(place.path("audit"), place.database)
    if as_json:
        print_json({"whole": found.whole, **asdict(found)})
    else:
        _show(found)
    if not found.whole:
        raise AuditError(
            f"The audit log is not whole. {_placed(found)[0]}",
            "Keep the files as they are, and compare them with a backup from that line on.",
        )


@audit.command("list")
def list_newest(
    last: Annotated[int, typer.Option(min=1, help="How many entries.")] = 20,
    workspace: WorkspaceOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Show the newest entries, the newest first.

    Example: aftercast audit list --last 50 -w fleet
    """
    from aftercast.operations.audit import newest_entries

    entries = list(newest_entries(opened(workspace).path("audit"), last))
    if as_json:
        print_json(entries)
        return
    rows = [[str(one["seq"]), one["time"][:19], one["event"], _short(one["content"])] for one in entries]
    print_table("", ["entry", "time (UTC)", "event", "content"], rows, right=frozenset({0}))


@audit.command("export")
def export(
    device: Annotated[str | None, typer.Option(help="Id of a device.")] = None,
    customer: Annotated[str | None, typer.Option(help="Id of a customer.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Where to write. [default: stdout]")] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Write all entries about one device or customer as JSON lines, without those about others.

    Example: aftercast audit export --customer C0042 --out c0042.jsonl -w fleet
    """
    import json

    from aftercast.operations.audit import export as export_entries

    entries = export_entries(opened(workspace).path("audit"), device_id=device, customer_id=customer)
    lines = (json.dumps(entry, ensure_ascii=False) for entry in entries)
    if out is None:
        for line in lines:
            say(line)
    else:
        note(f"{counted(_write_lines(out, lines), 'entry', 'entries')} in {out}.")


def _show(found: Verification) -> None:
    if found.torn_bytes > 0:
        note(f"The last {found.torn_bytes:,} bytes are an entry that was interrupted; the next one sets them aside.")
    if found.whole:
        anchored = f"anchored up to entry {found.anchored:,}" if found.anchored > 0 else "not anchored yet"
        entries = counted(found.entries, "entry", "entries")
        say(f"The audit log is whole: {entries} in {counted(found.segments, 'segment', 'segments')}, {anchored}.")
    for placed in _placed(found):
        say(placed)
    if found.misfits > 1:
        say(f"In all, {found.misfits:,} lines do not fit.")
    if found.chain is not None:
        say(f"Its chain is {found.chain}.")


def _placed(found: Verification) -> list[str]:
    """Findings, each after its file and line."""
    return [f"{one.segment}:{one.line}: {one.sentence}" if one.segment else one.sentence for one in found.findings]


def _write_lines(out: Path, lines: Iterable[str]) -> int:
    """Write lines to a file that appears when it is complete; returns how many."""
    count, temporary = 0, out.with_name(f"{out.name}.new")
    with writing(out):
        with temporary.open("w", encoding="utf-8") as file:
            for count, line in enumerate(lines, start=1):  # noqa: B007  # said after the loop
                file.write(line + "\n")
        temporary.replace(out)
    return count


def _short(content: dict[str, Any]) -> str:
    """Content on one line; of lists only how long they are."""
    parts = (
        f"{name}={len(value) if isinstance(value, list) else value}"
        for name, value in content.items()
        if value is not None
    )
    return " ".join(parts)
