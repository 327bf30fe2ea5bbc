"""Where a flow runs: in this process, on Prefect's temporary server, or on the server of the settings.

The same plain function runs in all three. Direct is the default because starting a temporary server costs seconds at
every command, and nothing is lost without it: keys, records and locks are ours (see :mod:`aftercast.pipelines.runs`).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, Final

from aftercast.data.workspace import Workspace
from aftercast.operations.environment import quiet_libraries
from aftercast.operations.errors import SettingsError

STARTUP_S: Final = 120


def run_flow(
    workspace: Workspace, flow: str, direct: Callable[[], dict[str, Any]], **parameters: Any
) -> dict[str, Any]:
    """Run a flow as the settings say.

    Parameters
    ----------
    flow
        Name of a flow of :mod:`aftercast.pipelines.flows`.
    direct
        The same work without an engine; may show progress, which an engine's run does not.
    parameters
        JSON parameters of the flow besides the workspace.
    """
    if workspace.settings.prefect.mode == "direct":
        return direct()
    return run_on_prefect(workspace, flow, **parameters)


def run_on_prefect(workspace: Workspace, flow: str, **parameters: Any) -> dict[str, Any]:
    """Run a flow on Prefect and return its result; its state, logs and history are Prefect's.

    Prefect is imported here and not above because that takes a second of every command that does not need it.
    """
    quiet_libraries()
    settings = importlib.import_module("prefect.settings")
    flows = importlib.import_module("aftercast.pipelines.flows")
    with settings.temporary_settings(_prefect_settings(workspace, settings)):
        result: dict[str, Any] = getattr(flows, flow)(str(workspace.folder), **parameters)
    return result


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
