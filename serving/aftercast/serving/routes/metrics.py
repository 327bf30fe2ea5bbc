"""Metrics, as Prometheus reads them."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Request, Response

from aftercast.serving.deps import MAY_MEASURE, ServiceDep
from aftercast.serving.refusals import refusals

router = APIRouter(tags=["operation"], dependencies=[MAY_MEASURE])

_EXAMPLE: Final = "# TYPE aftercast_database_up gauge\naftercast_database_up 1.0\n"
_TEXT: Final[dict[str, Any]] = {
    "text/plain": {"schema": {"type": "string"}, "example": _EXAMPLE},
    "application/openmetrics-text": {"schema": {"type": "string"}, "example": f"{_EXAMPLE}# EOF\n"},
}


@router.get(
    "/metrics",
    summary="How does the service do?",
    response_class=Response,
    responses={
        200: {"description": "All metrics; requests are counted over all workers", "content": _TEXT},
        **refusals(),
    },
)
async def metrics(request: Request, service: ServiceDep) -> Response:
    """Return metrics as text of Prometheus, or of OpenMetrics where the caller accepts it."""
    body, media_type = await service.metrics.exposition(request.headers.get("Accept", ""))
    return Response(body, media_type=media_type)
