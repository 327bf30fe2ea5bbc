"""The risk list: whom to visit first."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query, Request, Response

from aftercast.models.lists.list_files import to_csv
from aftercast.models.lists.risk_list import RiskList, give_out, make_list
from aftercast.operations.errors import ModelMismatchError, SettingsError, TooManyListsError
from aftercast.serving.deps import MAY_LIST, CallerDep, Service, ServiceDep
from aftercast.serving.errors import ProblemError, request_id_of
from aftercast.serving.predictions import instant
from aftercast.serving.principals import Caller
from aftercast.serving.refusals import refusals
from aftercast.serving.wire.common import HorizonText, Instant
from aftercast.serving.wire.risk_list import RiskListAnswer

router = APIRouter(tags=["lists"], dependencies=[MAY_LIST])

HORIZON: Final = "7d"
TOP: Final = 100
_CSV = {"text/csv": {"schema": {"type": "string"}, "example": "rank,device_id,device_model\r\n1,D0017,fridge-b\r\n"}}


@router.get(
    "/v1/risk-list",
    summary="Which devices are most at risk?",
    response_model=RiskListAnswer,
    responses={200: {"content": _CSV}, **refusals(404, 409, 422)},
)
def risk_list(
    *,
    request: Request,
    service: ServiceDep,
    caller: CallerDep,
    cutoff: Annotated[Instant | None, Query(description="A scored cutoff; default: the latest.")] = None,
    horizon: Annotated[HorizonText, Query()] = HORIZON,
    top: Annotated[int, Query(ge=1, le=100_000, description="How many devices.")] = TOP,
    form: Annotated[Literal["json", "csv"], Query(alias="format")] = "json",
) -> Response | RiskListAnswer:
    """Return the list of a scored cutoff and record it as given out; asked again it is the same, under the same id."""
    made = _made(service, caller, cutoff, horizon, top)
    give_out(service.workspace, made, request_id=request_id_of(request), key_id=caller.caller_id)
    if form == "json":
        return RiskListAnswer.model_validate(asdict(made))
    name = f"risk-list-{made.cutoff:%Y%m%dT%H%M}-{made.list_id}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(to_csv(made), media_type="text/csv", headers=headers)


def _made(service: Service, caller: Caller, cutoff: datetime | None, horizon: str, top: int) -> RiskList:
    at = None if cutoff is None else instant(cutoff)
    usual = (horizon.strip(), top) == (HORIZON, TOP)  # nobody else's lists keep a planner from this one
    most = None if usual else service.workspace.settings.serving.max_listed_rows
    try:
        return make_list(
            service.workspace, cutoff=at, horizon=horizon.strip(), top=top, outlets=caller.outlets, most_rows=most
        )
    except TooManyListsError as error:
        raise ProblemError(409, "too-many-lists", "No more lists of this cutoff", error.message, error.hint) from error
    except SettingsError as error:
        detail, hint = "The horizon is not a duration.", "Write a number and a unit: 36h, 7d, 2w."
        raise ProblemError(409, "unknown-horizon", "The horizon cannot be answered", detail, hint) from error
    except ModelMismatchError as error:
        title = "The horizon cannot be answered"
        raise ProblemError(409, "unknown-horizon", title, error.message, error.hint) from error
