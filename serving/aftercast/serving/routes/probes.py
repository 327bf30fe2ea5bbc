"""The two probes, the only routes without a key: whether the process is alive, and whether it can answer."""

from __future__ import annotations

from fastapi import APIRouter, Response

from aftercast.serving.deps import ServiceDep
from aftercast.serving.held import Held
from aftercast.serving.kinds import served_kinds
from aftercast.serving.wire.probes import Health, LoadedModel, Readiness

router = APIRouter(tags=["probes"])


@router.get("/health", summary="Is the process alive?")
async def health() -> Health:
    """Answer at once, on the event loop: what is slow or broken elsewhere does not restart the process."""
    return Health()


@router.get("/ready", summary="Can it answer?", responses={503: {"model": Readiness, "description": "Not yet"}})
async def ready(service: ServiceDep, response: Response) -> Readiness:
    """Say which models are loaded; 503 until devices can be judged: a champion for failures and scored rows.

    It tells what was seen at the last look and asks nobody, so that a database or registry that hangs cannot hang it.
    While they are away the service stays ready, because it answers from memory; taking every copy of it out of use for
    a failure they all share would help nobody.
    """
    champions = service.champions
    can = champions.held("failure").rows is not None
    response.status_code = 200 if can else 503
    return Readiness(
        status="ready" if can else "not_ready",
        models={kind: _loaded(champions.held(kind), champions.failing(kind)) for kind in served_kinds()},
        data_as_of=champions.observed_until,
        database="away" if champions.database_away else "reachable",
    )


def _loaded(held: Held, failing: str | None) -> LoadedModel:
    return LoadedModel(
        version=None if held.loaded is None else held.loaded.version,
        reason=f"{held.reason} {held.hint}".strip() or None,
        scored_at=None if held.rows is None else held.rows.snapshot.cutoff,
        notice=None if failing is None else f"The last look for a newer model or newer rows failed ({failing}).",
    )
