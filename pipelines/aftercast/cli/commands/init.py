"""``aftercast init``: make a workspace, with a fleet spec from a look at the data."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aftercast.cli.common import note, place_of, print_table, say

if TYPE_CHECKING:
    from aftercast.data.fleet import FleetSpec
    from aftercast.data.ingest import Place
    from aftercast.data.ingest.proposal import Question
    from aftercast.pipelines.drafts import Draft

PANEL = "Set up"
SHOWN_COLUMNS = 8


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the new workspace.")],
    source: Annotated[
        str | None,
        typer.Option("--source", metavar="PATH", help="Data to look at: file, folder or address of a database."),
    ] = None,
    kind: Annotated[str | None, typer.Option("--kind", help="Source of the data. [default: found by trying]")] = None,
    name: Annotated[str | None, typer.Option("--name", help="Name of the fleet. [default: the folder's]")] = None,
    answers: Annotated[
        Path | None,
        typer.Option("--answers", metavar="FILE", help="TOML with answers to what the data cannot tell."),
    ] = None,
) -> None:
    """Make a workspace: a folder with settings, a fleet spec, and room for data and models.

    With --source the files are looked at: which table and column is which, how times and numbers are written. What
    they cannot tell is asked, or read from --answers.

    Example: aftercast init fleet --source exports/ --answers answers.toml
    """
    from aftercast.data.fleet import FleetSpec
    from aftercast.data.workspace import create_workspace
    from aftercast.operations.errors import SettingsError

    title = name or folder.resolve().name
    if source is None:
        if kind is not None or answers is not None:
            raise SettingsError("--kind and --answers are about --source, and there is none.", "Add --source PATH.")
        create_workspace(folder, FleetSpec(name=title))
        say(f"Workspace {folder} is ready. Its fleet spec is drafted from the data at the first import.")
        say(f"Next: aftercast import SOURCE PATH --workspace {folder}")
        return
    place = place_of(source)
    draft = _answered(place, kind, answers)
    fleet = draft.fleet.model_copy(update={"name": title})
    _show(place, fleet, draft)
    create_workspace(folder, fleet)
    say(f"Workspace {folder} is ready. {folder / 'fleet.toml'} was drafted from {source} ({draft.source}).")
    say(f"Next: look it over, then aftercast import {draft.source} {source} --workspace {folder}")


def _answered(place: Place, kind: str | None, file: Path | None) -> Draft:
    """Draft of a place, with every question answered by the file or at the prompt."""
    from aftercast.data.ingest.proposal import flat_answers, require_answers
    from aftercast.operations.configuration import read_toml
    from aftercast.pipelines.drafts import draft_from

    given = {} if file is None else flat_answers(read_toml(file))
    draft = draft_from(place, kind, given)
    while draft.proposal.questions and sys.stdin.isatty():
        given |= {question.name: _ask(question) for question in draft.proposal.questions}
        draft = draft_from(place, kind, given)
    require_answers(draft.proposal, place)
    return draft


def _ask(question: Question) -> str:
    say(question.text)
    if not question.choices:
        return str(typer.prompt(f"  {question.name}, for example {question.example}"))
    for number, choice in enumerate(question.choices, start=1):
        say(f"  {number} {choice}")
    picked = 0
    while not 1 <= picked <= len(question.choices):
        picked = typer.prompt("  number", type=int)
    return question.choices[picked - 1]


def _show(place: Place, fleet: FleetSpec, draft: Draft) -> None:
    """Three rows of each table as an import reads them, and what was assumed."""
    from aftercast.data.ingest.samples import first_rows_of_tables

    if draft.source != "tables":
        return
    for table, frame in first_rows_of_tables(place, fleet).items():
        columns = [str(column) for column in frame.columns]
        more = f", and {len(columns) - SHOWN_COLUMNS} more columns" if len(columns) > SHOWN_COLUMNS else ""
        rows = [[_cell(value) for value in row] for row in frame.iloc[:, :SHOWN_COLUMNS].itertuples(index=False)]
        print_table(f"{table}, first rows as they are read{more}", columns[:SHOWN_COLUMNS], rows)
    for sentence in draft.proposal.assumed:
        note(f"Assumed: {sentence}")


def _cell(value: Any) -> str:
    import pandas as pd

    return "" if pd.isna(value) else f"{value:%Y-%m-%d %H:%M:%S} UTC" if isinstance(value, pd.Timestamp) else str(value)
