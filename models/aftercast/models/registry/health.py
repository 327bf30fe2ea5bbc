"""Whether the registry answers and its champions load: whatever MLflow raises becomes an error for people."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from aftercast.data.workspace import Workspace
from aftercast.models.registry.contact import reason
from aftercast.models.registry.versions import Loaded, champion_version, client, load_champion
from aftercast.operations.errors import WorkspaceError


def require_registry(workspace: Workspace) -> None:
    """Ask the registry one small question; raises WorkspaceError where it does not answer.

    A registry that is a file must be there already: asking would make it.
    """
    with _translated("The registry of models cannot be read", "Correct mlflow.address, or bring the registry back."):
        client(workspace).search_registered_models(max_results=1)


def find_champion(workspace: Workspace, kind: str) -> Loaded | None:
    """Champion of a kind, None where there is none.

    Raises
    ------
    ModelMismatchError
        If it was saved by another version of aftercast.
    WorkspaceError
        If the registry does not answer, or the champion's files cannot be had.
    """
    with champion_needed(kind):
        return None if champion_version(workspace, kind) is None else load_champion(workspace, kind)


def champion_needed(kind: str) -> AbstractContextManager[None]:
    """Block that loads a champion: whatever MLflow raises of it becomes a WorkspaceError that says what to do."""
    mend = f"Bring its files back, or run `aftercast train {kind} --again`."
    return _translated(f"The {kind} champion cannot be loaded", mend)


@contextmanager
def _translated(what: str, hint: str) -> Iterator[None]:
    """Errors of MLflow, of its database and of the way there (those of requests are OSErrors) as one of ours."""
    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise WorkspaceError(f"{what} ({reason(error)}).", hint) from error
