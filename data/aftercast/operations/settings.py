"""Settings of a deployment: ``aftercast.toml`` and the environment.

Every key can be overridden by ``AFTERCAST_<SECTION>__<KEY>``, e.g. ``AFTERCAST_MLFLOW__ADDRESS``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import pandas as pd
import tomlkit
from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from aftercast.operations.clocks import parse_duration_us
from aftercast.operations.configuration import StrictModel, read_toml, wrong_settings
from aftercast.operations.environment import variables_named
from aftercast.operations.errors import SettingsError

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

FOR_EVER: Final = "for ever"
MOST_DEVICES: Final = 10_000
MOST_RECORDS: Final = 100_000
"""Most that a call of the service may bring, whatever is set: all of it is read before anything else is done."""


class StoreSettings(StrictModel):
    """Where history lives."""

    address: str = Field(
        default="store", description="Folder of the workspace, or address of an object store, that holds the history."
    )
    device_buckets: int = Field(
        default=8,
        ge=1,
        le=1024,
        description="Into how many parts telemetry is split by device; fixed when the store is created.",
    )


class DatabaseSettings(StrictModel):
    """Where operational tables live."""

    address: str = Field(
        default="sqlite:///aftercast.db",
        description="SQLite file of the workspace, or postgresql+psycopg://USER@HOST/NAME.",
    )
    upgrade: Literal["automatic", "manual"] = Field(
        default="automatic",
        description="automatic: opening the database migrates its tables; manual: `aftercast database upgrade` does.",
    )


class MlflowSettings(StrictModel):
    """Where runs and models are tracked."""

    address: str = Field(
        default="sqlite:///mlflow.db", description="SQLite file of the workspace, or address of a server."
    )
    artifacts: str = Field(
        default="mlflow-artifacts", description="Folder of the workspace for artifacts; unused with a tracking server."
    )


class PrefectSettings(StrictModel):
    """How flows run."""

    mode: Literal["direct", "temporary", "server"] = Field(
        default="direct",
        description="direct: in the process of the command, without an engine; temporary: with a server for the length "
        "of the command; server: with the one at `prefect.address`.",
    )
    address: str = Field(default="", description="Address of the Prefect server, for the mode `server`.")


class ServingSettings(StrictModel):
    """How the service listens and what it accepts."""

    host: str = Field(default="127.0.0.1", description="Address the service listens on.")
    port: int = Field(default=8080, ge=0, le=65535, description="Port the service listens on; 0 for any free one.")
    max_devices: int = Field(default=1000, ge=1, le=MOST_DEVICES, description="Most devices or customers in one call.")
    max_records: int = Field(
        default=20_000,
        ge=1,
        le=MOST_RECORDS,
        description="Most rows of telemetry and events in one call, all devices together.",
    )
    max_listed_rows: int = Field(
        default=1_000_000,
        ge=1,
        description="Most rows of all risk lists of one cutoff that callers made; see `retention.lists`.",
    )
    max_body_bytes: int = Field(default=8_000_000, ge=1000, description="Largest body of a request, in bytes.")
    max_in_flight: int = Field(
        default=200, ge=1, description="Most requests answered at once by one process; more are refused with 503."
    )
    request_timeout_s: float = Field(default=30.0, gt=0, description="Longest time for an answer, in seconds.")
    body_timeout_s: float = Field(
        default=10.0, gt=0, description="Longest time for the body of a request to arrive, in seconds."
    )
    stop_timeout_s: float = Field(
        default=30.0, gt=0, description="Longest time for requests to finish when the service is stopped, in seconds."
    )
    refresh_every_s: float = Field(
        default=10.0, gt=0, description="How often the service looks for newer models and forecasts, in seconds."
    )
    rate_limit: str = Field(
        default="6000/minute",
        description="Requests of one key to one process; empty for no limit. A key may have its own.",
    )
    docs: bool = Field(default=True, description="Whether the interactive API documentation is served at /docs.")


def _words(value: Any) -> Any:
    """Words of a text from the environment; anything else as it is."""
    return tuple(word.strip() for word in value.split(",") if word.strip()) if isinstance(value, str) else value


class TokenSettings(StrictModel):
    """Which signed tokens (OpenID Connect, RFC 7519) people may present instead of a key; none without an issuer."""

    issuer: str = Field(default="", description="Issuer of the tokens; empty for no tokens.")
    audience: str = Field(default="aftercast", description="Audience that a token must name.")
    jwks: str = Field(
        default="",
        description="Address or file of the issuer's public keys; empty asks the issuer's discovery document.",
    )
    algorithms: Annotated[tuple[str, ...], BeforeValidator(_words)] = Field(
        default=("RS256", "ES256"),
        description="Accepted signatures; with commas in the environment, such as RS256,EdDSA.",
    )
    scope_claim: str = Field(default="scope", description="Claim that holds the scopes.")
    outlet_claim: str = Field(default="outlets", description="Claim that holds the outlets.")
    leeway_s: float = Field(default=30.0, ge=0, description="How far the clocks may differ, in seconds.")


class AuditSettings(StrictModel):
    """How the log of answers and changes is kept."""

    segment_bytes: int = Field(
        default=64_000_000, ge=10_000, description="Size after which the log goes on in a new file, in bytes."
    )
    anchor_every_s: float = Field(
        default=1.0,
        gt=0,
        description="How often entries are forced to the disk and the newest hash goes to the database, in seconds.",
    )


class TracingSettings(StrictModel):
    """Where traces go; nowhere without an address."""

    address: str = Field(
        default="", description="OTLP over HTTP, such as http://collector:4318; needs the extra aftercast[tracing]."
    )
    sampled: float = Field(default=1.0, ge=0, le=1, description="Share of requests that are traced, from 0 to 1.")


def _checked_span(text: str) -> str:
    if text != FOR_EVER:
        try:
            parse_duration_us(text)
        except SettingsError as error:
            raise ValueError(f"{error.message} {error.hint} Or write '{FOR_EVER}'.") from error
    return text


Span = Annotated[str, AfterValidator(_checked_span)]


class RetentionSettings(StrictModel):
    """How long what is stored beside the history is kept; `aftercast vacuum` removes what is older."""

    inbox: Span = Field(
        default="30d", description="Records that came over HTTP, counted from when they were stored in the history."
    )
    forecasts: Span = Field(
        default="730d", description="Stored forecasts, counted from the scoring; the newest of each kind always stay."
    )
    lists: Span = Field(default=FOR_EVER, description="Risk lists, counted from when they were made.")
    quarantine: Span = Field(default="730d", description="Rejected records, counted from when they were found.")
    anchors: Span = Field(
        default="90d", description="Anchors of the audit log; of older ones the last of each day stays."
    )
    logs: Span = Field(
        default="730d", description="The log of imports and flow runs; a run that is no longer known can be repeated."
    )

    def span(self, name: str) -> pd.Timedelta | None:
        """How long a thing is kept; None for ever."""
        text = str(getattr(self, name))
        return None if text == FOR_EVER else pd.Timedelta(parse_duration_us(text), unit="us")


class Settings(BaseSettings):
    """All settings of a deployment; what the environment says goes before what the constructor is given."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        env_prefix=ENVIRONMENT_PREFIX,
        env_nested_delimiter="__",
        enable_decoding=False,  # values are texts, not JSON
    )

    store: StoreSettings = StoreSettings()
    database: DatabaseSettings = DatabaseSettings()
    mlflow: MlflowSettings = MlflowSettings()
    prefect: PrefectSettings = PrefectSettings()
    serving: ServingSettings = ServingSettings()
    tokens: TokenSettings = TokenSettings()
    audit: AuditSettings = AuditSettings()
    tracing: TracingSettings = TracingSettings()
    retention: RetentionSettings = RetentionSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003  # of the base
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment, then the file that :func:`load_settings` read."""
        return env_settings, init_settings


def load_settings(path: Path) -> Settings:
    """Settings of a file with the environment's overrides; raises SettingsError listing every finding."""
    said_by: dict[tuple[str | int, ...], str] = {
        tuple(name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__")): name
        for name in variables_named(ENVIRONMENT_PREFIX)
        if name not in OWN_VARIABLES
    }
    # the library leaves out variables of sections that do not exist; here they are findings like any other
    unknown = {str(location[0]): name for location, name in said_by.items() if location[0] not in Settings.model_fields}
    strays = dict.fromkeys(unknown)
    said_by |= {(section,): name for section, name in unknown.items()}
    raw = read_toml(path)
    try:
        return Settings(**(raw | strays))
    except ValidationError as error:
        raise wrong_settings(error, Settings, path.name, said_by) from error


def described_settings() -> Iterator[tuple[str, Any, str]]:
    """Every setting in the order of the file: its name as ``section.key``, its default and its meaning."""
    for section, field in Settings.model_fields.items():
        for key, inner in type(field.default).model_fields.items():
            yield f"{section}.{key}", inner.default, inner.description or ""


def settings_document() -> tomlkit.TOMLDocument:
    """Content of a new ``aftercast.toml``: every setting with its default, below its meaning."""
    document = tomlkit.document()
    document.add(tomlkit.comment("Settings of this deployment; docs/settings.md has them in a table."))
    for name, default, meaning in described_settings():
        section, _, key = name.partition(".")
        if section not in document:
            document.add(section, tomlkit.table())
        table = document[section]
        table.add(tomlkit.comment(meaning))
        table.add(key, list(default) if isinstance(default, tuple) else default)
    return document
