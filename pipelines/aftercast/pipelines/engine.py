"""Where a flow runs: in this process, on Prefect's temporary server, or on the server of the settings.

The same function runs in all three. Direct is the default because starting a temporary server costs seconds at every
command, and nothing is lost without it: keys, records and locks are ours (see :mod:`aftercast.pipelines.runs`).
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeAlias

from aftercast.data.workspace import Workspace, open_workspace
from aftercast.models.aliases import Progress
from aftercast.operations.environment import quiet_libraries
from aftercast.operations.errors import SettingsError
from aftercast.pipelines import flows

Run: TypeAlias = Callable[..., dict[str, Any]]
"""The function ``run`` of a module of ``flows``."""
STARTUP_S: Final = 120


def run_flow(workspace: Workspace, run: Run, *, progress: Progress | None = None, **parameters: Any) -> dict[str, Any]:
    """Run a flow as the settings say.

    Parameters
    ----------
    run
        ``run`` of a module of ``aftercast.pipelines.flows``.
    progress
        Told of what is done, in this process only.
    parameters
        JSON parameters of the flow.
    """
    if workspace.settings.prefect.mode == "direct":
        return run(workspace, progress=progress, **parameters)
    quiet_libraries()
    # Prefect takes a second to import, which commands that do not need it are spared.
    settings = importlib.import_module("prefect.settings")
    with settings.temporary_settings(_prefect_settings(workspace, settings)):
        result: dict[str, Any] = prefect_flow(run)(str(workspace.folder), parameters)
    return result


def flow_name(run: Run) -> str:
    """Name of a flow: ``aftercast-`` and that of its module."""
    return f"aftercast-{run.__module__.rpartition('.')[2]}"


def prefect_flow(run: Run) -> Any:
    """Return a flow as Prefect knows it, with two parameters: the folder of a workspace, and those of the flow."""
    flow = importlib.import_module("prefect").flow

    def on_prefect(workspace: str, parameters: dict[str, Any]) -> dict[str, Any]:
        return run(open_workspace(Path(workspace)), **parameters)

    on_prefect.__doc__ = run.__doc__
    return flow(name=flow_name(run), retries=0)(on_prefect)


def every_flow() -> dict[str, Run]:
    """All flows by name, for deployments."""
    modules = (
        importlib.import_module(f"{flows.__name__}.{found.name}") for found in pkgutil.iter_modules(flows.__path__)
    )
    return {flow_name(module.run): module.run for module in modules}


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
