"""From a question to its answers: which cutoff and horizon, which records can be judged and why others cannot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import pandas as pd

from aftercast.data.clocks import format_duration, parse_duration_us
from aftercast.data.errors import NotEnoughDataError, SettingsError
from aftercast.data.records.scores import Kind
from aftercast.data.workspace import Workspace
from aftercast.models.answers import Answer, answer, not_judged
from aftercast.models.registry import Loaded
from aftercast.models.scoring import judge
from aftercast.models.snapshot import Snapshot, why_not
from aftercast.serving.champion import Champions, Rows
from aftercast.serving.errors import ProblemError

USUAL_HORIZONS: Final[dict[Kind, str]] = {"failure": "7d", "churn": "30d"}
NOUNS: Final[dict[Kind, str]] = {"failure": "device", "churn": "customer"}


@dataclass(frozen=True)
class Question:
    """What is asked of records of one kind.

    Attributes
    ----------
    ids
        Device ids (kind failure) or customer ids (kind churn), in the order asked; one may occur twice.
    horizon
        Length of time after the cutoff; None is the usual one, or the model's longest where that is shorter.
    drivers
        How many to name.
    as_of
        Cutoff, zone included; None is the cutoff of the last scoring.
    """

    kind: Kind
    ids: Sequence[str]
    horizon: str | None
    drivers: int
    as_of: datetime | None = None


@dataclass(frozen=True)
class Unanswered:
    """Why a record has no answer: a stable code, and words."""

    entity_id: str
    code: str
    message: str
    hint: str


@dataclass(frozen=True)
class Answered:
    """Answers in the order asked, and the model, cutoff and horizon they have in common."""

    loaded: Loaded
    cutoff: pd.Timestamp
    horizon: str
    results: tuple[Answer | Unanswered, ...]


def ask(workspace: Workspace, champions: Champions, question: Question) -> Answered:
    """Answer a question.

    Raises
    ------
    ProblemError
        Too many records, a horizon or cutoff that cannot be answered, no model, nothing scored.
    """
    _check_size(workspace, question)
    horizon = checked_horizon(champions.champion(question.kind), question.horizon)
    loaded, rows = pair_at(workspace, champions, question.kind, question.as_of)
    cutoff = rows.snapshot.cutoff
    found = _judged(workspace, loaded, rows, question, horizon)
    absent = sorted(set(question.ids) - set(found))
    others = _absent(workspace, rows.snapshot, absent, horizon) if absent else {}
    return Answered(loaded, cutoff, horizon, tuple({**found, **others}[each] for each in question.ids))


@dataclass(frozen=True)
class Profile:
    """What the last scoring says of one record: at the usual horizon, and at each horizon of the model.

    Attributes
    ----------
    every
        Shortest horizon first; empty where the record was not judged.
    """

    loaded: Loaded
    cutoff: pd.Timestamp
    usual: Answer | Unanswered
    every: tuple[Answer, ...]


def profile(workspace: Workspace, champions: Champions, kind: Kind, entity_id: str, drivers: int) -> Profile:
    """Latest risk of one record at every horizon of the model.

    Raises
    ------
    ProblemError
        503 where there is no model or nothing was scored.
    """
    loaded, rows = champions.pair(kind, None)
    usual = checked_horizon(loaded, None)
    scores = judge(loaded, rows.snapshot, workspace.fleet, ids={entity_id}, usual=rows.usual, top=drivers)
    if not scores:
        absent = _absent(workspace, rows.snapshot, [entity_id], usual)[entity_id]
        return Profile(loaded, rows.snapshot.cutoff, absent, ())
    every = tuple(answer(scores[0], format_duration(end)) for end in scores[0].horizons_us)
    return Profile(loaded, rows.snapshot.cutoff, answer(scores[0], usual), every)


def checked_horizon(loaded: Loaded, text: str | None) -> str:
    """Horizon to answer: the one asked for, else the usual one or the model's longest where that is shorter.

    Raises
    ------
    ProblemError
        422 if it is not a duration or longer than the model's longest.
    """
    longest = max(parse_duration_us(each) for each in loaded.metadata.horizons)
    if text is None:
        usual = parse_duration_us(USUAL_HORIZONS[loaded.kind])
        return format_duration(min(usual, longest))
    try:
        asked = parse_duration_us(text)
    except SettingsError as error:
        raise _horizon_problem("The horizon is not a duration.", longest) from error
    if asked > longest:
        raise _horizon_problem("The horizon is longer than the model's longest.", longest)
    return text.strip()


def pair_at(workspace: Workspace, champions: Champions, kind: Kind, as_of: datetime | None) -> tuple[Loaded, Rows]:
    """Champion and feature rows at an instant; None is the last scoring.

    Raises
    ------
    ProblemError
        422 if the instant lies after what was observed, or nothing was at risk then; 503 as :meth:`Champions.pair`.
    """
    cutoff = None if as_of is None else pd.Timestamp(as_of).tz_convert("UTC").as_unit("us")
    if cutoff is not None:
        _check_observed(workspace, cutoff)
    try:
        return champions.pair(kind, cutoff)
    except NotEnoughDataError as error:
        raise ProblemError(422, "nothing-at-risk", "Nothing can be judged", error.message, error.hint) from error


def _check_size(workspace: Workspace, question: Question) -> None:
    most = workspace.settings.serving.max_devices
    if len(question.ids) > most:
        raise ProblemError(
            422,
            "too-many-records",
            "Too many records in one call",
            f"The request asks about {len(question.ids)} records, the service answers {most} a call.",
            "Split the request, or raise serving.max_devices.",
        )


def _check_observed(workspace: Workspace, cutoff: pd.Timestamp) -> None:
    """Refuse a cutoff after the end of observation: silence there is not evidence of health."""
    until = workspace.store.observed_until()
    if until is not None and cutoff > until:
        raise ProblemError(
            422,
            "not-observed-yet",
            "That instant is not observed yet",
            f"The data ends at {until.isoformat()}.",
            "Ask as of that instant or earlier, or import newer data.",
        )


def _horizon_problem(message: str, longest_us: int) -> ProblemError:
    title, longest = "The horizon cannot be answered", format_duration(longest_us)
    hint = f"Write a number and a unit (m, h, d, w), at most {longest}."
    return ProblemError(422, "unknown-horizon", title, f"{message}", hint)


def _judged(
    workspace: Workspace, loaded: Loaded, rows: Rows, question: Question, horizon: str
) -> dict[str, Answer | Unanswered]:
    scores = judge(
        loaded, rows.snapshot, workspace.fleet, ids=set(question.ids), usual=rows.usual, top=question.drivers
    )
    return {score.entity_id: answer(score, horizon) for score in scores}


def _absent(
    workspace: Workspace, snapshot: Snapshot, ids: Sequence[str], horizon: str
) -> dict[str, Answer | Unanswered]:
    """Say what there is to say of records without a feature row: not known at all, not scored yet, or not at risk."""
    now, then = (_known(workspace, snapshot, ids, version) for version in (None, snapshot.data_version))
    return {
        each: _not_at_risk(workspace, snapshot, each, horizon)
        if each in then
        else _unanswered(snapshot.kind, each, each in now)
        for each in ids
    }


def _not_at_risk(workspace: Workspace, snapshot: Snapshot, entity_id: str, horizon: str) -> Answer:
    reason = why_not(workspace.store, snapshot.kind, entity_id, snapshot.cutoff)
    return not_judged(snapshot.kind, entity_id, snapshot.cutoff, horizon, reason)


def _unanswered(kind: Kind, entity_id: str, known_by_now: bool) -> Unanswered:
    noun = NOUNS[kind]
    if known_by_now:
        message = f"The {noun} became known only after the cutoff."
        return Unanswered(entity_id, "not_scored", message, "Run `aftercast score`, or ask with a later as_of.")
    return Unanswered(entity_id, f"unknown_{noun}", f"The {noun} is not known.", "Import it, or correct the id.")


def _known(workspace: Workspace, snapshot: Snapshot, ids: Sequence[str], version: int | None) -> set[str]:
    """Ids the store knew; at the cutoff for a version, ever for the latest (None)."""
    known_at = None if version is None else snapshot.cutoff
    table, grain = ("devices", "device_id") if snapshot.kind == "failure" else ("customers", "customer_id")
    only = list(ids) if snapshot.kind == "failure" else None
    rows = workspace.store.read(table, version=version, known_at=known_at, columns=[grain], device_ids=only)
    return set(rows[grain]) & set(ids)
