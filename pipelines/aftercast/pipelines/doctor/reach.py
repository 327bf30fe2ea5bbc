"""Whether somebody answers, asked for a few seconds at most."""

from __future__ import annotations

import httpx

from aftercast.data.errors import NotFoundError, WorkspaceError
from aftercast.data.workspace import Workspace
from aftercast.models.registry import has_registry

PATIENCE_S = 3


def get(url: str) -> httpx.Response:
    """Answer of an address, whatever its status.

    Raises
    ------
    WorkspaceError
        If nobody answers in time.
    """
    try:
        return httpx.get(url, timeout=PATIENCE_S, follow_redirects=True)
    except httpx.TransportError as error:
        raise WorkspaceError(
            f"{url} does not answer: {type(error).__name__}.", "Start it, or correct its address."
        ) from error


def require_tracking(place: Workspace) -> None:
    """Check that MLflow can be asked.

    Raises
    ------
    NotFoundError
        If it is a file that is not there.
    WorkspaceError
        If it is a server that does not answer.
    """
    if place.mlflow_address.startswith("http"):
        get(f"{place.mlflow_address.rstrip('/')}/health")
    elif not has_registry(place):
        raise NotFoundError("No model was ever trained here.", "Run `aftercast train failure`.")
