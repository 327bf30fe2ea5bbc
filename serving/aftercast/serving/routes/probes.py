"""The two probes, the only routes without a key: whether the process is alive, and whether it can answer."""

from __future__ import annotations

from fastapi import APIRouter, Response

from aftercast.serving.deps import ServiceDep
from aftercast.serving.wire.probes import Health, Readiness

router = APIRouter(tags=["probes"])


@router.get("/health", summary="Is the process alive?")
async def health() -> Health:
    """Answer at once, on the event loop: what is slow or broken elsewhere does not restart the process."""
    return Health()


@router.get("/ready", summary="Can it answer?", responses={503: {"model": Readiness, "description": "Not yet"}})
def ready(service: ServiceDep, response: Response) -> Readiness:
    """Say which models are loaded; 503 until there is one for failures."""
    readiness = service.champions.readiness()
    response.status_code = 200 if readiness.status == "ready" else 503
    return readiness
