"""`fleet.toml`: understood, with something to forecast and to forecast from."""

from __future__ import annotations

from collections.abc import Iterator

from aftercast.cli.doctor.deployment import Deployment
from aftercast.cli.doctor.findings import Finding

IMPORT = "Run `aftercast import SOURCE PATH`, which drafts it from the data; or add [[components]] with a name."


def check(deployment: Deployment) -> Iterator[Finding]:
    """Say whether the fleet spec can be read."""
    fleet = deployment.fleet
    yield Finding("ok", f"fleet.toml is understood: {len(fleet.components)} components, {len(fleet.sensors)} sensors.")
    if not fleet.components:
        yield Finding("problem", "fleet.toml names no component: nothing can be forecast.", IMPORT)
    if not fleet.sensors:
        mend = "Import telemetry, which drafts them; or add [[sensors]]."
        yield Finding("warning", "fleet.toml names no sensor: risks rest on service history alone.", mend)
