"""Libraries that only some settings need: installed where they are needed."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec

from aftercast.cli.doctor.deployment import Deployment
from aftercast.cli.doctor.findings import Finding


def check(deployment: Deployment) -> Iterator[Finding]:
    """Name what is missing."""
    settings = deployment.settings
    wanted = {
        "psycopg": ("database.address", settings.database.address.startswith("postgresql"), "aftercast[postgres]"),
        "opentelemetry.sdk": ("tracing.address", settings.tracing.address != "", "aftercast[tracing]"),
    }
    missing = [(setting, what) for name, (setting, needed, what) in wanted.items() if needed and not _installed(name)]
    for setting, what in missing:
        yield Finding("problem", f"{setting} needs a library that is not installed.", f"Install {what}.")
    if not missing:
        yield Finding("ok", f"aftercast {version('aftercast')} has every library that the settings ask for.")


def _installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False
