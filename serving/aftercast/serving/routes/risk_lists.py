"""Risk lists: whom to visit or call first."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import pandas as pd
from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import WrapValidator

from aftercast.models.kinds import kind_of
from aftercast.models.lists.list_files import to_csv, to_xlsx
from aftercast.models.lists.risk_list import RiskList, find_list, give_out, make_list
from aftercast.operations.clocks import EARLIEST, LATEST
from aftercast.operations.errors import ModelMismatchError, NotFoundError, TooManyListsError
from aftercast.serving.deps import MAY_LIST, CallerDep, Service, ServiceDep
from aftercast.serving.errors import request_id_of
from aftercast.serving.principals import Caller
from aftercast.serving.problems import TOO_MANY_LISTS, UNKNOWN_HORIZON
from aftercast.serving.refusals import WITH_BODY, refusals
from aftercast.serving.tenancy import visible
from aftercast.serving.wire.common import few_errors
from aftercast.serving.wire.risk_lists import MOST_LISTED, USUAL_TOP, RiskListAnswer, RiskListRequest

Body = Annotated[RiskListRequest, WrapValidator(few_errors)]
ListId = Annotated[str, Path(min_length=1, max_length=64, examples=["5d1f0a9be77c4e21"])]
Limit = Annotated[int, Query(ge=1, le=MOST_LISTED, description="Most rows of the answer (JSON only).")]
Cursor = Annotated[
    str | None, Query(pattern="^[0-9]{1,6}$", description="`next_cursor` of the page before (JSON only).")
]
Format = Annotated[Literal["json", "csv", "xlsx"], Query(alias="format", description="csv and xlsx: the whole list.")]

CSV: Final = "text/csv"
XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_FILES: Final = {
    CSV: {"schema": {"type": "string"}, "example": "rank,device_id,device_model\r\n1,D0017,fridge-b\r\n"},
    XLSX: {"schema": {"type": "string", "format": "binary"}},
}
_LOCATION: Final = {"Location": {"description": "Address of the list.", "schema": {"type": "string"}}}

router = APIRouter(tags=["lists"], dependencies=[MAY_LIST])


@router.post(
    "/v1/risk-lists",
    status_code=201,
    summary="Make a list of the devices or customers most at risk",
    responses={201: {"headers": _LOCATION}, **refusals(404, *WITH_BODY)},
)
def make_risk_list(
    request: Request, response: Response, service: ServiceDep, caller: CallerDep, body: Body
) -> RiskListAnswer:
    """Make and store a list, and return its first rows. The same question gives the same list under the same id."""
    made = _made(service, caller, body)
    response.headers["Location"] = f"/v1/risk-lists/{made.list_id}"
    return _page(service, caller, request, made, after=0, limit=USUAL_TOP)


@router.get(
    "/v1/risk-lists/{list_id}",
    summary="Read a list that was made before",
    response_model=RiskListAnswer,
    responses={200: {"content": _FILES}, **refusals(404, 422)},
)
def risk_list(
    *,
    request: Request,
    service: ServiceDep,
    caller: CallerDep,
    list_id: ListId,
    limit: Limit = USUAL_TOP,
    cursor: Cursor = None,
    form: Format = "json",
) -> Response | RiskListAnswer:
    """Return a list as it was made. A key with outlets sees the rows that are still theirs."""
    made = _seen(service, caller, find_list(service.workspace, list_id))
    if form == "json":
        return _page(service, caller, request, made, after=int(cursor or 0), limit=limit)
    _give_out(service, caller, request, made)
    name = f"risk-list-{made.cutoff:%Y%m%dT%H%M}-{made.list_id}.{form}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    # With a byte-order mark spreadsheets read names of all languages as they are.
    content = to_xlsx(made) if form == "xlsx" else to_csv(made).encode("utf-8-sig")
    return Response(content, media_type=XLSX if form == "xlsx" else CSV, headers=headers)


def _made(service: Service, caller: Caller, body: RiskListRequest) -> RiskList:
    usual = kind_of(body.kind).usual_horizon
    horizon = usual if body.horizon is None else body.horizon.strip()
    if body.cutoff is not None and not EARLIEST <= body.cutoff < LATEST:
        raise NotFoundError("Nothing was scored at this cutoff.", "Leave the cutoff out for the latest one.")
    everyday = (horizon, body.top) == (usual, USUAL_TOP)  # other lists use up no room of this one
    try:
        return make_list(
            service.workspace,
            body.kind,
            cutoff=None if body.cutoff is None else pd.Timestamp(body.cutoff).tz_convert("UTC"),
            horizon=horizon,
            top=body.top,
            outlets=caller.outlets,
            most_rows=None if everyday else service.workspace.settings.serving.max_listed_rows,
        )
    except TooManyListsError as error:
        raise TOO_MANY_LISTS.error(detail=error.message, hint=error.hint) from error
    except ModelMismatchError as error:
        raise UNKNOWN_HORIZON.error(detail=error.message, hint=error.hint) from error


def _seen(service: Service, caller: Caller, made: RiskList) -> RiskList:
    """List with the rows that the caller sees; a list of other outlets does not exist for the caller."""
    if caller.outlets is None:
        return made
    if made.outlets is None or not set(made.outlets) <= caller.outlets:
        raise NotFoundError("No risk list has this id.", "Make one with POST /v1/risk-lists.")
    seen = visible(service.workspace, made.kind, [row.entity_id for row in made.rows], caller)
    return made.model_copy(update={"rows": tuple(row for row in made.rows if row.entity_id in seen)})


def _page(
    service: Service, caller: Caller, request: Request, made: RiskList, *, after: int, limit: int
) -> RiskListAnswer:
    """Rows after a rank, on record as given out."""
    rest = [row for row in made.rows if row.rank > after]
    page = made.model_copy(update={"rows": tuple(rest[:limit])})
    _give_out(service, caller, request, page)
    following = str(page.rows[-1].rank) if len(rest) > limit else None
    return RiskListAnswer.model_validate({**page.model_dump(), "next_cursor": following})


def _give_out(service: Service, caller: Caller, request: Request, made: RiskList) -> None:
    give_out(service.workspace, made, request_id=request_id_of(request), key_id=caller.caller_id)
