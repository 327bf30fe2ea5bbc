"""Where a flow runs: in this process, on Prefect's temporary server, or on the server of the settings.

The same function runs in all three. Direct is the default because starting a temporary server costs seconds at every
command, and nothing is lost without it: keys, records and locks are ours (see :mod:`aftercast.pipelines.runs`).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

from aftercast.data.ingest import is_database, name_of
from aftercast.data.workspace import Workspace
from aftercast.models.aliases import Progress
from aftercast.operations.environment import quiet_libraries
from aftercast.operations.errors import SettingsError, WorkspaceError
from aftercast.pipelines.runs import Done

Work: TypeAlias = Callable[..., Done | dict[str, Any]]
"""A function of this package, such as ``run_train``, that takes a workspace."""
STARTUP_S: Final = 120


def run_flow(workspace: Workspace, work: Work, *, progress: Progress | None = None, **asked: Any) -> dict[str, Any]:
    """Run the work of a flow as the settings say; the flow has the name of its module, as ``aftercast-train``.

    Parameters
    ----------
    progress
        Told of what is done, without Prefect only.
    asked
        What the work takes beside the workspace; Prefect shows it as text.
    """
    if workspace.settings.prefect.mode == "direct":
        return _result(work(workspace, progress=progress, **asked))
    quiet_libraries()
    # Prefect takes a second to import, which commands that do not need it are spared.
    settings, flow = importlib.import_module("prefect.settings"), importlib.import_module("prefect").flow

    def run(shown: dict[str, str]) -> dict[str, Any]:
        del shown
        return _result(work(workspace, **asked))

    run.__doc__ = work.__doc__
    shown = {name: name_of(value) if is_database(value) else str(value) for name, value in asked.items()}
    with settings.temporary_settings(_prefect_settings(workspace, settings)), _told_by_address(workspace):
        found: dict[str, Any] = flow(name=f"aftercast-{work.__module__.rpartition('.')[2]}", retries=0)(run)(shown)
    return found


def _result(found: Done | dict[str, Any]) -> dict[str, Any]:
    return found.to_dict() if isinstance(found, Done) else found


@contextmanager
def _told_by_address(workspace: Workspace) -> Iterator[None]:
    """Turn what Prefect raises where its server is away into a WorkspaceError that names its address."""
    try:
        yield
    except RuntimeError as error:
        if "Failed to reach API" not in str(error):
            raise
        where = workspace.settings.prefect.address or "of its own"
        raise WorkspaceError(
            f"The Prefect server {where} does not answer.",
            'Start it, correct prefect.address, or run without a server: prefect.mode = "direct".',
        ) from error


def _prefect_settings(workspace: Workspace, names: Any) -> dict[Any, Any]:
    chosen = workspace.settings.prefect
    if chosen.mode == "server":
        if not chosen.address:
            raise SettingsError("prefect.mode is server, but prefect.address is empty.", "Name it in aftercast.toml.")
        return {names.PREFECT_API_URL: chosen.address}
    return {
        names.PREFECT_HOME: workspace.path("prefect"),
        names.PREFECT_API_URL: None,
        names.PREFECT_SERVER_ALLOW_EPHEMERAL_MODE: True,
        names.PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS: STARTUP_S,
        names.PREFECT_LOGGING_LEVEL: "CRITICAL",  # the command line prints errors itself, with a hint
    }
