"""Settings of a deployment (``aftercast.toml``): addresses of its parts. The only module that reads the environment.

Every key can be overridden by ``AFTERCAST_<SECTION>__<KEY>``, e.g. ``AFTERCAST_MLFLOW__ADDRESS``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field

from aftercast.operations.configuration import StrictModel, load_toml, merge

ENVIRONMENT_PREFIX: Final = "AFTERCAST_"
OWN_VARIABLES: Final = frozenset(
    {
        "AFTERCAST_WORKSPACE",
        "AFTERCAST_REAL_DATA",
        "AFTERCAST_DEMAND_SERVICES",
        "AFTERCAST_DEMO",  # folder of `make demo`
        "AFTERCAST_SITE",  # both of deploy/caddy/Caddyfile
        "AFTERCAST_UPSTREAM",
    }
)
"""Variables with our prefix that are no settings."""

MOST_DEVICES: Final = 10_000
MOST_RECORDS: Final = 100_000
"""Most that a call of the service may bring, whatever is set: all of it is read before anything else is done."""

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

FIRST_QUESTION: Final[Mapping[str, str]] = {
    # Whether MLflow is there at all is known within half a minute; what comes later has MLflow's own patience.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}


class StoreSettings(StrictModel):
    """Where history lives."""

    address: str = "store"
    """Folder (relative to the workspace) or object-store address the table format understands."""
    device_buckets: int = Field(default=8, ge=1, le=1024)
    """Into how many parts telemetry is split by device; fixed when the store is created."""


class DatabaseSettings(StrictModel):
    """Where operational records live."""

    address: str = "sqlite:///aftercast.db"
    """SQLAlchemy address; a relative SQLite file is inside the workspace."""
    upgrade: Literal["automatic", "manual"] = "automatic"
    """Whether opening the database brings its tables up to date, or `aftercast database upgrade` must be run."""


class MlflowSettings(StrictModel):
    """Where runs and models are tracked."""

    address: str = "sqlite:///mlflow.db"
    artifacts: str = "mlflow-artifacts"
    """Folder for artifacts of new experiments, relative to the workspace; unused with a tracking server."""


class PrefectSettings(StrictModel):
    """How flows run."""

    mode: Literal["direct", "temporary", "server"] = "direct"
    """direct: in this process without an engine; temporary: a server for the length of the command; server: address."""
    address: str = ""


class ServingSettings(StrictModel):
    """How the service listens and what it accepts."""

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    max_devices: int = Field(default=1000, ge=1, le=MOST_DEVICES)
    max_records: int = Field(default=20_000, ge=1, le=MOST_RECORDS)
    """Rows of telemetry and events in one call, all devices together."""
    max_listed_rows: int = Field(default=1_000_000, ge=1)
    """Rows of all the different risk lists of one cutoff that callers have made; each list is kept for good."""
    max_body_bytes: int = Field(default=8_000_000, ge=1000)
    max_in_flight: int = Field(default=200, ge=1)
    """Requests answered at once by one process; more are refused with 503 instead of piling up."""
    request_timeout_s: float = Field(default=30.0, gt=0)
    body_timeout_s: float = Field(default=10.0, gt=0)
    """Within which a request's body has to arrive."""
    stop_timeout_s: float = Field(default=30.0, gt=0)
    """How long requests may take to finish once the service is asked to stop."""
    refresh_every_s: float = Field(default=10.0, gt=0)
    """How often newer models and scores are looked for."""
    rate_limit: str = "6000/minute"
    """Requests of one key to one process; empty for none. A key may have its own."""
    docs: bool = True
    """Whether there is a page of interactive API documentation at /docs."""


def _words(value: Any) -> Any:
    """Words of a text from the environment; anything else as it is."""
    return tuple(word.strip() for word in value.split(",") if word.strip()) if isinstance(value, str) else value


class TokenSettings(StrictModel):
    """Which signed tokens (OpenID Connect, RFC 7519) people may come with instead of a key; none without an issuer."""

    issuer: str = ""
    audience: str = "aftercast"
    jwks: str = ""
    """Address or file of the issuer's public keys; empty asks the issuer's discovery document."""
    algorithms: Annotated[tuple[str, ...], BeforeValidator(_words)] = ("RS256", "ES256")
    """In the environment as text with commas: ``RS256,EdDSA``."""
    scope_claim: str = "scope"
    outlet_claim: str = "outlets"
    leeway_s: float = Field(default=30.0, ge=0)
    """How far clocks may differ."""


class AuditSettings(StrictModel):
    """How the record of answers and changes is kept."""

    segment_bytes: int = Field(default=64_000_000, ge=10_000)
    anchor_every_s: float = Field(default=1.0, gt=0)
    """How often entries are forced to disk and their newest hash is written to the database."""


class TracingSettings(StrictModel):
    """Where traces go; nowhere without an address."""

    address: str = ""
    """OTLP over HTTP, as in http://collector:4318; needs the extra aftercast[tracing]."""
    sampled: float = Field(default=1.0, ge=0, le=1)
    """Share of requests that are traced."""


class Settings(StrictModel):
    """All settings of a deployment."""

    store: StoreSettings = StoreSettings()
    database: DatabaseSettings = DatabaseSettings()
    mlflow: MlflowSettings = MlflowSettings()
    prefect: PrefectSettings = PrefectSettings()
    serving: ServingSettings = ServingSettings()
    tokens: TokenSettings = TokenSettings()
    audit: AuditSettings = AuditSettings()
    tracing: TracingSettings = TracingSettings()


def load_settings(path: Path, environment: Mapping[str, str] | None = None) -> Settings:
    """Settings of a file with the environment's overrides; raises SettingsError listing every finding."""
    variables = os.environ if environment is None else environment
    said_by = {
        tuple(name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__")): name
        for name in variables
        if name.startswith(ENVIRONMENT_PREFIX) and name not in OWN_VARIABLES
    }
    overrides: dict[str, Any] = {}
    for location, name in said_by.items():
        nested: Any = variables[name]
        for part in reversed(location):
            nested = {part: nested}
        overrides = merge(overrides, nested)
    return load_toml(path, Settings, overrides=overrides, said_by=said_by)


def quiet_libraries() -> None:
    """Put the library defaults into the environment where the user has not chosen otherwise."""
    for name, value in LIBRARY_DEFAULTS.items():
        os.environ.setdefault(name, value)


def prepare_service() -> None:
    """Put the defaults of a service into the environment, beside those of every command."""
    quiet_libraries()
    for name, value in SERVICE_DEFAULTS.items():
        os.environ.setdefault(name, value)


@contextmanager
def little_patience() -> Iterator[None]:
    """Let MLflow give up soon within the block, unless the user or the service has chosen how soon."""
    chosen = {name: value for name, value in FIRST_QUESTION.items() if name not in os.environ}
    os.environ.update(chosen)
    try:
        yield
    finally:
        for name in chosen:
            os.environ.pop(name, None)


def default_workspace() -> Path:
    """Return the workspace used when a command names none: AFTERCAST_WORKSPACE, else the current folder."""
    return Path(os.environ.get("AFTERCAST_WORKSPACE", "."))


def name_workspace(folder: Path) -> None:
    """Make a folder the default workspace of this process and of those it starts."""
    os.environ["AFTERCAST_WORKSPACE"] = str(folder)


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
