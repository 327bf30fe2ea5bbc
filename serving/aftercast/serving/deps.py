"""What handlers are given, named as types."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Final

from anyio import CapacityLimiter
from fastapi import Depends, Request, Security

from aftercast.data.workspace import Workspace
from aftercast.operations.audit import AuditLog
from aftercast.serving.auth import allowed
from aftercast.serving.metrics.measures import Measures
from aftercast.serving.model_holder import Champions
from aftercast.serving.principals import Caller

PAST_THREADS: Final = 2


@dataclass(frozen=True)
class Service:
    """One running service: its workspace, the models it holds, and its figures of operation.

    Attributes
    ----------
    for_the_past
        Places of questions as of an instant: their rows are computed for the whole fleet, and would take every thread.
    """

    workspace: Workspace
    champions: Champions
    measures: Measures
    for_the_past: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(PAST_THREADS))

    @property
    def audit(self) -> AuditLog:
        """The log of what was answered."""
        return self.workspace.audit


async def _service(request: Request) -> Service:  # async, so that it costs no thread
    service: Service = request.app.state.service
    return service


async def _caller(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


ServiceDep = Annotated[Service, Depends(_service)]
CallerDep = Annotated[Caller, Depends(_caller)]

MAY_PREDICT: Final = Security(allowed, scopes=["predict"])
MAY_LIST: Final = Security(allowed, scopes=["lists"])
MAY_INGEST: Final = Security(allowed, scopes=["ingest"])
MAY_MEASURE: Final = Security(allowed, scopes=["metrics"])
