"""What handlers are given, named as types."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Final

from anyio import CapacityLimiter
from fastapi import Depends, Request, Security

from aftercast.data.workspace import Workspace
from aftercast.operations.audit import AuditLog
from aftercast.serving.auth import allowed
from aftercast.serving.metrics.exposition import Metrics
from aftercast.serving.model_holder import Champions
from aftercast.serving.principals import Caller

RECORDING_THREADS: Final = 8


@dataclass(frozen=True)
class Service:
    """One running service: its workspace, the models it holds, and its metrics.

    Attributes
    ----------
    recording
        Threads that write answers to the audit log.
    """

    workspace: Workspace
    champions: Champions
    metrics: Metrics
    recording: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(RECORDING_THREADS))

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
