"""The risk list: an immutable, dated order of devices or customers by risk; its id is a hash of its content."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import Annotated, Any, Final

import pandas as pd
from pydantic import BaseModel, PlainSerializer, PlainValidator

from aftercast.data.workspace import Workspace
from aftercast.models.forecast import Statement
from aftercast.models.kinds import kind_of
from aftercast.models.lists.outlets import in_outlets
from aftercast.models.scoring.forecast_store import most_urgent, stored_set
from aftercast.models.words.answers import Answer
from aftercast.operations.clocks import parse_duration_us, parse_time
from aftercast.operations.database.forecasts import ForecastSet, read_ranks
from aftercast.operations.database.risk_lists import has_room, read_list, write_list
from aftercast.operations.errors import SettingsError, TooManyListsError

TIE_RULE: Final = "{}; equal ones by {}, ascending"


_Instant = Annotated[
    pd.Timestamp,
    PlainValidator(lambda value: value if isinstance(value, pd.Timestamp) else parse_time(value)),
    PlainSerializer(lambda value: value.isoformat(), return_type=str),
]


class Row(BaseModel, frozen=True):
    """One device or customer of a list.

    Attributes
    ----------
    device_id, device_model
        Empty in a list of customers.
    component, probability, component_probability, horizon
        Of any component within the horizon, and of the most likely component; empty and None where the kind has none.
    values
        What only forecasts of other shapes have.
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
    probability: float | None
    component_probability: float | None
    horizon: str
    sentence: str
    drivers: tuple[str, ...]
    evidence: str
    missing: tuple[str, ...]
    data_as_of: str | None
    model_version: str
    values: dict[str, Any]

    @property
    def entity_id(self) -> str:
        """What the list is about: the device, else the customer."""
        return self.device_id or self.customer_id


class RiskList(BaseModel, frozen=True):
    """A list as it was given out.

    Attributes
    ----------
    list_id
        First 16 hexadecimal digits of the SHA-256 of its content: the same inputs make the same list.
    judged
        How many devices or customers were judged at the cutoff; the list holds the first of them.
    order
        The rule that orders them, ties included.
    outlets
        Outlets whose devices or customers the list is about, ascending; None for all.
    """

    list_id: str
    kind: str
    cutoff: _Instant
    horizon: str
    model_version: str
    data_version: int
    judged: int
    order: str
    outlets: tuple[str, ...] | None
    rows: tuple[Row, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON content."""
        return self.model_dump(mode="json")


def make_list(
    workspace: Workspace,
    kind: str = "failure",
    *,
    cutoff: pd.Timestamp | None = None,
    horizon: str | None = None,
    top: int | None = None,
    outlets: Collection[str] | None = None,
    most_rows: int | None = None,
) -> RiskList:
    """Make the list of a scored cutoff (None: the latest) and record it; made again it is the same.

    Parameters
    ----------
    horizon
        Any length up to the model's longest; None is the usual one of the kind.
    top
        How many devices or customers, None for all.
    outlets
        Only devices that these outlets look after now, or customers who have such a device; None for all.
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
    chosen = kind_of(kind)
    horizon = horizon or chosen.usual_horizon
    if horizon:
        parse_duration_us(horizon)
    found = stored_set(workspace.database, kind, cutoff)
    theirs = None if outlets is None else _of_outlets(workspace, found, outlets)
    forecasts, judged = most_urgent(workspace.database, found, horizon, top=top, among=theirs)
    made = RiskList(
        list_id="",
        kind=kind,
        cutoff=found.cutoff,
        horizon=horizon,
        model_version=found.model_version,
        data_version=found.data_version,
        judged=judged,
        order=TIE_RULE.format(chosen.order, chosen.grain),
        outlets=None if outlets is None else tuple(sorted(outlets)),
        rows=tuple(_row(rank, chosen.answer(each, horizon)) for rank, each in enumerate(forecasts, start=1)),
    )
    content = made.model_dump_json(exclude={"list_id"})
    made = made.model_copy(update={"list_id": hashlib.sha256(content.encode()).hexdigest()[:16]})
    _check_room(workspace, made, most_rows)
    write_list(workspace.database, made.list_id, made.to_dict())
    return made


def _check_room(workspace: Workspace, made: RiskList, most_rows: int | None) -> None:
    if most_rows is None or has_room(
        workspace.database, made.list_id, made.cutoff.isoformat(), len(made.rows), most_rows=most_rows
    ):
        return
    raise TooManyListsError(
        f"The different lists of this cutoff would have more than {most_rows:,} rows.",
        "Ask for a list that was made before, or raise serving.max_listed_rows.",
    )


def _of_outlets(workspace: Workspace, found: ForecastSet, outlets: Collection[str]) -> set[str]:
    ids = [each for each, _ in read_ranks(workspace.database, found.set_id)]
    return in_outlets(workspace.store, found.kind, ids, outlets)


def give_out(workspace: Workspace, made: RiskList, **who: str | None) -> None:
    """Put on record that a list, or some rows of it, was given out, and to whom; call it before the list leaves.

    Raises
    ------
    AuditError
        If it cannot be recorded.
    """
    answers = [
        {
            "id": row.entity_id,
            "probability": row.probability,
            "component": row.component,
            "evidence": row.evidence,
            **row.values,
        }
        for row in made.rows
    ]
    about = made.model_dump(include={"list_id", "kind", "cutoff", "horizon", "model_version", "data_version"})
    workspace.audit.append("risk_list", {**who, **about, "answers": answers})


def find_list(workspace: Workspace, list_id: str) -> RiskList:
    """Return a recorded list; raises NotFoundError where there is none."""
    return RiskList.model_validate(read_list(workspace.database, list_id))


def _row(rank: int, item: Statement) -> Row:
    own = item if isinstance(item, Answer) else None
    component = None if own is None else own.component
    return Row(
        rank=rank,
        device_id=item.entity_id if kind_of(item.kind).grain == "device_id" else "",
        device_model=item.device_model,
        customer_id=item.customer_id,
        component=component or "",
        probability=None if own is None else own.probability,
        component_probability=None if own is None or component is None else own.components[component],
        horizon="" if own is None else own.horizon,
        sentence=item.sentence,
        drivers=item.reasons,
        evidence=item.evidence or "",
        missing=item.missing,
        data_as_of=None if item.data_as_of is None else item.data_as_of.isoformat(),
        model_version=item.model_version,
        values={} if own is not None else dict(item.values),
    )
