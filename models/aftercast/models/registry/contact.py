"""The first word with an MLflow server: one that does not answer is told within half a minute, by its address.

MLflow's own client asks again for four minutes, which is right for what a long training logs and wrong for finding out
that nobody is there. So the first question of a process has little patience, and all later ones have MLflow's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from mlflow.exceptions import MlflowException
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request_safe

from aftercast.operations.environment import first_question
from aftercast.operations.errors import WorkspaceError

SEARCH: Final = "/api/2.0/mlflow/registered-models/search"
MEND: Final = "Start MLflow there, or correct mlflow.address (in the environment AFTERCAST_MLFLOW__ADDRESS)."
AWAY: Final = frozenset({"INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "UNAUTHENTICATED", "PERMISSION_DENIED"})
"""What MLflow calls failed connections, and refusals that are nothing the caller did wrong."""
LONGEST: Final = 200
"""Of a reason that MLflow gives, in characters; some hold whole pages of HTML."""


@lru_cache(maxsize=8)
def require_answer(address: str) -> None:
    """Ask a server one small question, once in the life of a process; what is no server is not asked.

    Raises
    ------
    WorkspaceError
        If it does not answer, or refuses.
    """
    if not address.startswith("http"):
        return
    try:
        http_request_safe(get_default_host_creds(address), SEARCH, "GET", params={"max_results": 1}, **first_question())
    except MlflowException as error:
        raise _told(address, error) from error


@contextmanager
def told_by_address(address: str) -> Iterator[None]:
    """Turn what MLflow raises where its server went away into a WorkspaceError; what it raises else is a defect."""
    try:
        yield
    except MlflowException as error:
        if not address.startswith("http") or error.error_code not in AWAY:
            raise
        raise _told(address, error) from error


def reason(error: Exception) -> str:
    """Why something with MLflow failed; of a failed connection its kind alone: the text has the whole address."""
    cause = error.__context__
    if isinstance(error, MlflowException) and isinstance(cause, OSError):
        return f"no answer ({type(cause).__name__})"
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0][:LONGEST].rstrip(' .')}"


def _told(address: str, error: MlflowException) -> WorkspaceError:
    return WorkspaceError(f"The registry of models at {_shown(address)} failed: {reason(error)}.", MEND)


def _shown(address: str) -> str:
    """Address without user and password."""
    parts = urlsplit(address)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
