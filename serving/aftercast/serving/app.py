"""The application: routes, errors, authentication and limits put together around one workspace."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.types import Lifespan

from aftercast.data.workspace import Workspace, open_workspace
from aftercast.operations.audit import anchoring
from aftercast.operations.environment import default_workspace, prepare_service
from aftercast.operations.errors import AftercastError
from aftercast.operations.log_format import log_to_stderr
from aftercast.serving.access_log import RequestLog
from aftercast.serving.auth import Authentication
from aftercast.serving.deps import Service
from aftercast.serving.error_handling import ErrorHandling, install
from aftercast.serving.errors import LOG
from aftercast.serving.head import HeadAsGet
from aftercast.serving.limits import BodyLimit, InFlightLimit, TimeLimit
from aftercast.serving.metrics.exposition import Metrics
from aftercast.serving.model_holder import Champions
from aftercast.serving.openapi import DESCRIPTION, describe, operation_id
from aftercast.serving.rate_limit import RateLimit
from aftercast.serving.routes import discover
from aftercast.serving.tokens import tokens_of
from aftercast.serving.tracing import Tracing, collector_of, tracing
from aftercast.serving.warm_up import warming_up

if TYPE_CHECKING:  # only who traces needs it
    from aftercast.serving.collector import Collector


def create_app(workspace: Workspace, *, check_every_s: float | None = None, warm: bool = False) -> FastAPI:
    """Application that answers from a workspace.

    Parameters
    ----------
    check_every_s
        Seconds between looks for a newly promoted model or newly saved rows; None is that of the settings.
    warm
        Whether to compile at the start what answers with records need.
    """
    champions = Champions(workspace)
    service = Service(workspace, champions, Metrics(workspace, champions))
    limits, tokens = workspace.settings.serving, tokens_of(workspace.settings.tokens, workspace.folder)
    collector = collector_of(workspace.settings.tracing)
    every_s = limits.refresh_every_s if check_every_s is None else check_every_s

    # The first carries the files of the page, which the framework's own would load from the internet.
    make = FastAPIOffline if limits.docs else FastAPI
    page: dict[str, Any] = {"docs_url": "/docs", "static_url": "/docs/static"} if limits.docs else {"docs_url": None}
    app = make(
        **DESCRIPTION,
        version=version("aftercast"),
        lifespan=_lifespan(service, collector, every_s, warm=warm),
        **page,
        redoc_url=None,
        swagger_ui_parameters={"tryItOutEnabled": True, "validatorUrl": "none"},  # the usual one asks the internet
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # would send paths, which hold ids
        generate_unique_id_function=operation_id,
        middleware=[  # the first is the outermost
            Middleware(RequestLog, metrics=service.metrics.requests),
            Middleware(Tracing, collector=collector),
            Middleware(ErrorHandling),
            Middleware(TimeLimit, within_s=limits.request_timeout_s),
            Middleware(Authentication, database=lambda: workspace.database, tokens=tokens),
            Middleware(InFlightLimit, most=limits.max_in_flight),
            Middleware(RateLimit, default=limits.rate_limit),
            Middleware(BodyLimit, limit=limits.max_body_bytes, within_s=limits.body_timeout_s),
            Middleware(HeadAsGet),
        ],
    )
    app.state.service = service
    install(app)
    for router in discover():
        app.include_router(router)
    describe(app)
    return app


def _lifespan(service: Service, collector: Collector | None, every_s: float, *, warm: bool) -> Lifespan[FastAPI]:
    """What runs beside the requests, from the first look for models to the last span."""
    workspace, champions = service.workspace, service.champions

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(champions.refresh)
        with (
            anchoring(workspace.audit, lambda: workspace.database, workspace.settings.audit.anchor_every_s),
            champions.watching(every_s),
            tracing(collector),
            warming_up(workspace, champions) if warm else nullcontext(),
        ):
            LOG.info("takes requests, release %s", version("aftercast"))
            yield
        LOG.info("has stopped")

    return lifespan


def from_environment() -> FastAPI:
    """Application of the workspace that AFTERCAST_WORKSPACE names; what `aftercast serve` starts.

    Raises
    ------
    SystemExit
        If there can be none, after a line in the log: 2 for what a user can mend, 1 for a defect.
    """
    prepare_service()
    log_to_stderr()
    try:
        return create_app(open_workspace(default_workspace()), warm=True)
    except Exception as error:  # the edge of a worker process, which would print it as it is
        LOG.critical("cannot start", exc_info=error)
        raise SystemExit(2 if isinstance(error, AftercastError) else 1) from error
