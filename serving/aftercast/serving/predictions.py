"""From a question to its answers: which cutoff and horizon, which records can be judged and why others cannot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import numpy as np
import pandas as pd

from aftercast.data.workspace import Workspace
from aftercast.models.registry.versions import Loaded
from aftercast.models.scoring.snapshot import Snapshot, gone_since, why_not
from aftercast.models.words.answers import Answer, answer, not_judged
from aftercast.operations.clocks import EARLIEST, LATEST, format_duration, parse_duration_us
from aftercast.operations.database.forecasts import Kind
from aftercast.operations.errors import NotEnoughDataError, SettingsError
from aftercast.serving.errors import ProblemError
from aftercast.serving.model_holder import Champions
from aftercast.serving.principals import Caller
from aftercast.serving.response_cache import Fragment, Rows
from aftercast.serving.serialization import Unanswered, fragment
from aftercast.serving.tracing import step

USUAL_HORIZONS: Final[dict[Kind, str]] = {"failure": "7d", "churn": "30d"}
NOUNS: Final[dict[Kind, str]] = {"failure": "device", "churn": "customer"}
FEW: Final = 8
"""So many answers are made without leaving the event loop; it takes less than a millisecond."""

Records = Mapping[str, Sequence[Mapping[str, Any]]]
"""Table name -> records of one device."""


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
    sent
        Device -> records that come along with the question.
    """

    kind: Kind
    ids: Sequence[str]
    horizon: str | None
    drivers: int
    as_of: datetime | None = None
    sent: Mapping[str, Records] = field(default_factory=dict)


@dataclass(frozen=True)
class Reply:
    """Answers in the order asked, and the rows and horizon they have in common."""

    rows: Rows
    cutoff: pd.Timestamp
    horizon: str
    fragments: tuple[Fragment, ...]


def ask_at_hand(champions: Champions, question: Question, caller: Caller) -> Reply | None:
    """Reply from what is in memory, in a moment; None where something has to be read or computed.

    Raises
    ------
    ProblemError
        As :func:`ask`.
    """
    if question.as_of is not None or question.sent:
        return None
    checked_horizon(champions.champion(question.kind), question.horizon)
    rows = champions.rows(question.kind, None)
    horizon = checked_horizon(rows.loaded, question.horizon)  # the champion may have changed in between
    found = [rows.fragments.get((each, horizon, question.drivers)) for each in question.ids]
    absent = [each for each, known in zip(question.ids, found, strict=True) if known is None]
    if not all(_sees(caller, rows, each) for each in question.ids):
        return None
    if absent:
        if not rows.judged or len(absent) > FEW:
            return None
        made = _judged(rows, absent, question.drivers, horizon)
        found = [known or made[each] for each, known in zip(question.ids, found, strict=True)]
    return Reply(rows, rows.snapshot.cutoff, horizon, tuple(each for each in found if each is not None))


def ask(workspace: Workspace, champions: Champions, question: Question, caller: Caller) -> Reply:
    """Answer a question about what is stored.

    Raises
    ------
    ProblemError
        A horizon or cutoff that cannot be answered, no model, nothing scored.
    """
    checked_horizon(champions.champion(question.kind), question.horizon)  # before rows are made at some expense
    rows = rows_at(workspace, champions, question.kind, question.as_of)
    horizon = checked_horizon(rows.loaded, question.horizon)  # the champion may have changed in between
    seen = _seen(workspace, rows, question, caller)
    kept = {each: found for each in seen if (found := rows.fragments.get((each, horizon, question.drivers)))}
    with step("model"):
        made = _judged(rows, [each for each in seen if each not in kept], question.drivers, horizon)
    absent = sorted(set(question.ids) - set(seen))
    others = _absent(workspace, rows, absent, question, caller) if absent else {}
    whole = {**kept, **made, **others}
    return Reply(rows, rows.snapshot.cutoff, horizon, tuple(whole[each] for each in question.ids))


def check_size(workspace: Workspace, ids: Sequence[str]) -> None:
    """Refuse a call about more records than the service answers at once: 422."""
    most = workspace.settings.serving.max_devices
    if len(ids) > most:
        raise ProblemError(
            422,
            "too-many-records",
            "Too many records in one call",
            f"The request asks about {len(ids)} records, the service answers {most} a call.",
            "Split the request, or raise serving.max_devices.",
        )


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
    rows = champions.rows(kind, None)
    usual = checked_horizon(rows.loaded, None)
    score = rows.scores([entity_id], drivers).get(entity_id)
    if score is None:
        absent = _not_there(workspace, rows.snapshot, [entity_id], usual, as_of=None)[entity_id]
        return Profile(rows.loaded, rows.snapshot.cutoff, absent, ())
    every = tuple(answer(score, format_duration(end)) for end in score.horizons_us)
    return Profile(rows.loaded, score.cutoff, answer(score, usual), every)


def checked_horizon(loaded: Loaded, text: str | None) -> str:
    """Horizon to answer: the one asked for, else the usual one or the model's longest where that is shorter.

    Raises
    ------
    ProblemError
        409 if it is longer than the model's longest, or no duration.
    """
    return _checked_horizon(loaded.kind, tuple(loaded.metadata.horizons), text)


@lru_cache(maxsize=1000)
def _checked_horizon(kind: Kind, horizons: tuple[str, ...], text: str | None) -> str:
    longest = max(parse_duration_us(each) for each in horizons)
    if text is None:
        usual = parse_duration_us(USUAL_HORIZONS[kind])
        return format_duration(min(usual, longest))
    try:
        asked = parse_duration_us(text)
    except SettingsError as error:
        raise _horizon_problem("The horizon is not a duration.", longest) from error
    if asked > longest:
        raise _horizon_problem("The horizon is longer than the model's longest.", longest)
    return text.strip()


def rows_at(workspace: Workspace, champions: Champions, kind: Kind, as_of: datetime | None) -> Rows:
    """Rows at an instant with the model that judges them; None is the last scoring.

    Raises
    ------
    ProblemError
        409 if the instant lies after what was observed, or nothing was at risk then; 503 as :meth:`Champions.rows`.
    """
    cutoff = None if as_of is None else instant(as_of)
    if cutoff is not None:
        _check_observed(workspace, cutoff)
    try:
        with step("history"):
            return champions.rows(kind, cutoff)
    except NotEnoughDataError as error:
        raise ProblemError(409, "nothing-at-risk", "Nothing can be judged", error.message, error.hint) from error


def instant(moment: datetime) -> pd.Timestamp:
    """Instant of a question, UTC with microseconds.

    Raises
    ------
    ProblemError
        409 for an instant no data can be of: before 1900, or from 2200 on.
    """
    if not EARLIEST <= moment < LATEST:
        detail, hint = "The instant is out of reach.", "Ask about an instant the data cover."
        raise ProblemError(409, "not-observed-yet", "That instant is not observed", detail, hint)
    return pd.Timestamp(moment).tz_convert("UTC").as_unit("us")


def not_observed(until: pd.Timestamp) -> ProblemError:
    """Problem of a cutoff after the end of the data."""
    return ProblemError(
        409,
        "not-observed-yet",
        "That instant is not observed yet",
        f"The data end at {until.isoformat()}.",
        "Ask as of that instant or earlier, or import newer data.",
    )


def _sees(caller: Caller, rows: Rows, entity_id: str) -> bool:
    """Whether a record has a row, and the caller may see it."""
    if entity_id not in rows.position:
        return False
    return caller.outlets is None or any(map(caller.sees_outlet, rows.outlets(entity_id)))


def _seen(workspace: Workspace, rows: Rows, question: Question, caller: Caller) -> list[str]:
    """Ids that have a row and that the caller may see, as things stand now: devices move to other outlets."""
    there = [each for each in dict.fromkeys(question.ids) if each in rows.position]
    if caller.outlets is None:
        return there
    by_row = {each for each in there if question.as_of is None and _sees(caller, rows, each)}
    others = [each for each in there if each not in by_row]
    by_now = set(visible(workspace, question.kind, others, caller)) if others else set()
    return [each for each in there if each in by_row | by_now]


def _check_observed(workspace: Workspace, cutoff: pd.Timestamp) -> None:
    """Refuse a cutoff after the end of observation: silence there is not evidence of health."""
    until = workspace.store.observed_until()
    if until is not None and cutoff > until:
        raise not_observed(until)


def _horizon_problem(message: str, longest_us: int) -> ProblemError:
    title, longest = "The horizon cannot be answered", format_duration(longest_us)
    hint = f"Write a number and a unit (m, h, d, w), at most {longest}."
    return ProblemError(409, "unknown-horizon", title, f"{message}", hint)


def _judged(rows: Rows, ids: Sequence[str], drivers: int, horizon: str) -> dict[str, Fragment]:
    """Answers about records with a row, which are kept for the next who asks."""
    made = {}
    for each, score in rows.scores(ids, drivers).items():
        made[each] = fragment(rows.loaded, answer(score, horizon))
        rows.fragments.put((each, horizon, drivers), made[each])
    return made


def _absent(
    workspace: Workspace, rows: Rows, ids: Sequence[str], question: Question, caller: Caller
) -> dict[str, Fragment]:
    kind, horizon = rows.snapshot.kind, checked_horizon(rows.loaded, question.horizon)
    theirs = ids if caller.outlets is None else visible(workspace, kind, ids, caller)
    found = _not_there(workspace, rows.snapshot, theirs, horizon, as_of=question.as_of)
    hidden = {each: _unanswered(kind, each, known_by_now=False) for each in ids if each not in found}
    return {each: fragment(rows.loaded, said) for each, said in {**found, **hidden}.items()}


def visible(workspace: Workspace, kind: Kind, ids: Sequence[str], caller: Caller) -> list[str]:
    """Ids whose device (customer: one of whose devices) is looked after by an outlet the caller may see."""
    grain = "device_id" if kind == "failure" else "customer_id"
    only = list(ids) if kind == "failure" else None
    rows = workspace.store.read("devices", columns=["device_id", "customer_id", "outlet_id"], device_ids=only)
    last = rows.drop_duplicates("device_id", keep="last")
    seen = [caller.sees_outlet(None if pd.isna(each) else str(each)) for each in last["outlet_id"]]
    known = set(last.loc[np.array(seen, dtype=bool), grain].dropna())
    return [each for each in ids if each in known]


def _not_there(
    workspace: Workspace, snapshot: Snapshot, ids: Sequence[str], horizon: str, *, as_of: datetime | None
) -> dict[str, Answer | Unanswered]:
    """Say what there is to say of records without a feature row: not known at all, not scored yet, or not at risk.

    Whoever retired or left since the last scoring lost their row by the drain; a question as of an instant is about
    what was known then.
    """
    now, then = (_known(workspace, snapshot, ids, version) for version in (None, snapshot.data_version))
    gone = {} if as_of is not None else gone_since(workspace.store, snapshot, ids)
    return {
        each: _not_at_risk(workspace, snapshot, each, horizon, gone.get(each))
        if each in then or each in gone
        else _unanswered(snapshot.kind, each, known_by_now=each in now)
        for each in ids
    }


def _not_at_risk(
    workspace: Workspace, snapshot: Snapshot, entity_id: str, horizon: str, gone: pd.Timestamp | None
) -> Answer:
    cutoff = snapshot.cutoff if gone is None else max(snapshot.cutoff, gone)
    reason = why_not(workspace.store, snapshot.kind, entity_id, cutoff)
    return not_judged(snapshot.kind, entity_id, cutoff, horizon, reason)


def _unanswered(kind: Kind, entity_id: str, *, known_by_now: bool) -> Unanswered:
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
