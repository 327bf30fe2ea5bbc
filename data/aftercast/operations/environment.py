"""Environment of the process: the workspace that is meant, and how the libraries behave.

Settings are read from it in :mod:`aftercast.operations.settings`; nothing else reads it. Help needs this module and no
pydantic.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

LIBRARY_DEFAULTS: Final[Mapping[str, str]] = {
    # Nothing leaves the machine: both libraries report usage unless told otherwise.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
    "PREFECT_CLI_COLORS": "false",
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_ENABLE_ASYNC_LOGGING": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",  # we show progress ourselves, on one line
}

SERVICE_DEFAULTS: Final[Mapping[str, str]] = {
    # A service that holds a model goes on with it and looks again soon, so it does not wait minutes for a registry.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
}

FIRST_QUESTION: Final[Mapping[str, tuple[str, int]]] = {
    # Whether MLflow answers at all is known within half a minute; later requests have MLflow's own patience.
    "max_retries": ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", 1),
    "backoff_factor": ("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", 1),
    "timeout": ("MLFLOW_HTTP_REQUEST_TIMEOUT", 10),
}


def quiet_libraries() -> None:
    """Put the library defaults into the environment where the user has not chosen otherwise."""
    for name, value in LIBRARY_DEFAULTS.items():
        os.environ.setdefault(name, value)


def prepare_service() -> None:
    """Put the defaults of a service into the environment, beside those of every command."""
    quiet_libraries()
    for name, value in SERVICE_DEFAULTS.items():
        os.environ.setdefault(name, value)


def first_question() -> dict[str, int]:
    """How long MLflow is given to answer for the first time: arguments of its client's requests.

    Without those that the user, or :func:`prepare_service`, chose by MLflow's own variables.
    """
    return {name: value for name, (variable, value) in FIRST_QUESTION.items() if variable not in os.environ}


def default_workspace() -> Path:
    """Return the workspace used when a command names none: AFTERCAST_WORKSPACE, else the current folder."""
    return Path(os.environ.get("AFTERCAST_WORKSPACE", "."))


def name_workspace(folder: Path) -> None:
    """Make a folder the default workspace of this process and of those it starts."""
    os.environ["AFTERCAST_WORKSPACE"] = str(folder)


def variables_named(prefix: str) -> list[str]:
    """Names of the variables that begin with a prefix."""
    return [name for name in os.environ if name.startswith(prefix)]


def share_metrics(folder: Path) -> None:
    """Let the processes that this one starts count metrics in a folder; prometheus-client reads the variable itself."""
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)


def metrics_folder() -> Path | None:
    """Folder in which the workers of one service count metrics together, None in a service of one process."""
    text = os.environ.get("PROMETHEUS_MULTIPROC_DIR", "")
    return Path(text) if text else None


def real_data_folder() -> Path | None:
    """Folder of public data sets for tests and benchmarks, None where AFTERCAST_REAL_DATA is unset."""
    text = os.environ.get("AFTERCAST_REAL_DATA", "")
    return Path(text) if text else None


def demand_services() -> bool:
    """Whether a test that lacks a service or data must fail instead of being skipped (AFTERCAST_DEMAND_SERVICES=1)."""
    return os.environ.get("AFTERCAST_DEMAND_SERVICES", "0") == "1"
