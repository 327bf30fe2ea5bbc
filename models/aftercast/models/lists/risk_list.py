"""The risk list: an immutable, dated order of devices by risk, made from stored scores; its id is a hash of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any, Final

import pandas as pd

from aftercast.data.workspace import Workspace
from aftercast.models.scoring.forecast_store import stored_forecasts
from aftercast.models.words.answers import Answer, Score, answer
from aftercast.operations.clocks import parse_duration_us, parse_time
from aftercast.operations.database.forecasts import ScoreSet
from aftercast.operations.database.risk_lists import has_room, read_list, write_list
from aftercast.operations.errors import SettingsError, TooManyListsError

TIE_RULE: Final = "probability, highest first; equal probabilities by device_id, ascending"


@dataclass(frozen=True)
class Row:
    """One device of a list; probability is that of any component within the horizon.

    Attributes
    ----------
    component
        The most likely one; the sentence speaks of it.
    drivers
        Texts, strongest first.
    data_as_of
        ISO 8601 in UTC; None where nothing was known.
    """

    rank: int
    device_id: str
    device_model: str
    customer_id: str
    component: str
    probability: float
    component_probability: float
    horizon: str
    sentence: str
    drivers: tuple[str, ...]
    evidence: str
    missing: tuple[str, ...]
    data_as_of: str | None
    model_version: str


@dataclass(frozen=True)
class RiskList:
    """A list as it was given out.

    Attributes
    ----------
    list_id
        First 16 hexadecimal digits of the SHA-256 of its content: the same inputs make the same list.
    judged
        How many devices were judged at the cutoff; the list holds the first of them.
    order
        The rule that orders them, ties included.
    """

    list_id: str
    cutoff: pd.Timestamp
    horizon: str
    model_version: str
    data_version: int
    judged: int
    order: str
    rows: tuple[Row, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON content, list_id included."""
        return {"list_id": self.list_id, **_content(self)}


def make_list(
    workspace: Workspace,
    *,
    cutoff: pd.Timestamp | None = None,
    horizon: str = "7d",
    top: int | None = None,
    outlets: Collection[str] | None = None,
    most_rows: int | None = None,
) -> RiskList:
    """Make the list of a scored cutoff (None: the latest) and record it; made again it is the same.

    Parameters
    ----------
    horizon
        Any length up to the model's longest.
    top
        How many devices, None for all.
    outlets
        Only devices that these outlets look after, as known at the cutoff; None for all devices.
    most_rows
        Rows that all lists of the cutoff may have together; None for any number.

    Raises
    ------
    TooManyListsError
        If a new list would have more.
    NotFoundError
        If nothing was scored at the cutoff.
    ModelMismatchError
        If the horizon is longer than the model's longest.
    """
    if top is not None and top < 1:
        raise SettingsError("A list needs at least one row.", "Use --top 1 or more.")
    parse_duration_us(horizon)
    found, scores = stored_forecasts(workspace.database, "failure", cutoff)
    rows = ranked(scores if outlets is None else _of_outlets(workspace, found, scores, outlets), horizon)
    made = RiskList(
        list_id="",
        cutoff=found.cutoff,
        horizon=horizon,
        model_version=found.model_version,
        data_version=found.data_version,
        judged=len(rows),
        order=TIE_RULE,
        rows=rows if top is None else rows[:top],
    )
    list_id = hashlib.sha256(json.dumps(_content(made), sort_keys=True).encode()).hexdigest()[:16]
    _check_room(workspace, made, list_id, most_rows)
    write_list(workspace.database, list_id, {"list_id": list_id, **_content(made)})
    return find_list(workspace, list_id)


def _check_room(workspace: Workspace, made: RiskList, list_id: str, most_rows: int | None) -> None:
    if most_rows is None or has_room(
        workspace.database, list_id, made.cutoff.isoformat(), len(made.rows), most_rows=most_rows
    ):
        return
    raise TooManyListsError(
        f"The different lists of this cutoff would have more than {most_rows:,} rows.",
        "Ask for a list that was made before, or raise serving.max_listed_rows.",
    )


def _of_outlets(workspace: Workspace, found: ScoreSet, scores: list[Score], outlets: Collection[str]) -> list[Score]:
    devices = workspace.store.read(
        "devices", version=found.data_version, known_at=found.cutoff, columns=["device_id", "outlet_id"]
    )
    last = devices.drop_duplicates("device_id", keep="last")
    theirs = set(last.loc[last["outlet_id"].isin(list(outlets)), "device_id"])
    return [score for score in scores if score.entity_id in theirs]


def give_out(workspace: Workspace, made: RiskList, **who: str | None) -> None:
    """Put on record that a list was given out, and to whom; call it before the list leaves.

    Raises
    ------
    AuditError
        If it cannot be recorded.
    """
    records = [
        {"id": row.device_id, "probability": row.probability, "component": row.component, "evidence": row.evidence}
        for row in made.rows
    ]
    told = {name: getattr(made, name) for name in ("list_id", "horizon", "model_version", "data_version")}
    content = {**who, "kind": "failure", **told, "cutoff": made.cutoff.isoformat(), "records": records}
    workspace.audit.append("risk_list", content)


def find_list(workspace: Workspace, list_id: str) -> RiskList:
    """Return a recorded list; raises NotFoundError where there is none."""
    content = read_list(workspace.database, list_id)
    rows = tuple(_row_from(row) for row in content["rows"])
    return RiskList(**{**content, "cutoff": parse_time(content["cutoff"]), "rows": rows})


def ranked(scores: list[Score], horizon: str) -> tuple[Row, ...]:
    """Rows of scores in the order of :data:`TIE_RULE`."""
    answers = sorted((answer(score, horizon) for score in scores), key=_order)
    return tuple(_row(rank, item) for rank, item in enumerate(answers, start=1))


def _order(item: Answer) -> tuple[float, str]:
    if item.probability is None:
        raise ValueError("a score always has a probability")
    return -item.probability, item.entity_id


def _row(rank: int, item: Answer) -> Row:
    component = item.component or ""
    return Row(
        rank=rank,
        device_id=item.entity_id,
        device_model=item.device_model,
        customer_id=item.customer_id,
        component=component,
        probability=-_order(item)[0],
        component_probability=item.components[component],
        horizon=item.horizon,
        sentence=item.sentence,
        drivers=tuple(driver.text for driver in item.drivers),
        evidence=item.evidence or "",
        missing=item.missing,
        data_as_of=None if item.data_as_of is None else item.data_as_of.isoformat(),
        model_version=item.model_version,
    )


def _content(made: RiskList) -> dict[str, Any]:
    content = asdict(made)
    del content["list_id"]
    return {**content, "cutoff": made.cutoff.isoformat(), "rows": [_lists(row) for row in content["rows"]]}


def _lists(row: dict[str, Any]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in row.items()}


def _row_from(row: dict[str, Any]) -> Row:
    return Row(**{**row, "drivers": tuple(row["drivers"]), "missing": tuple(row["missing"])})
