"""The champions: there is one, it can be loaded, fits the features, and has not learnt too long ago."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pandas as pd

from aftercast.cli.doctor.deployment import KINDS, Deployment
from aftercast.cli.doctor.findings import Finding, guarded
from aftercast.features.dictionary import dictionary_hash
from aftercast.models.examples.feature_list import described
from aftercast.operations.clocks import parse_time
from aftercast.operations.database.forecasts import Kind

OLD = pd.Timedelta(days=90)


def check(deployment: Deployment) -> Iterator[Finding]:
    """Say so for each kind of model."""
    deployment.require_registry()
    for kind in KINDS:
        yield from guarded(partial(_of, deployment, kind))  # of a kind that fails, the other is still told


def _of(deployment: Deployment, kind: Kind) -> Iterator[Finding]:
    loaded, train = deployment.load_champion(kind), f"Run `aftercast train {kind}`."
    if loaded is None:
        yield Finding("problem" if kind == "failure" else "warning", f"No {kind} model is champion.", train)
        return
    age = deployment.now - parse_time(loaded.metadata.until)
    if age > OLD:
        yield Finding(
            "warning", f"Version {loaded.version} for {kind} learnt from data up to {age.days} days ago.", train
        )
    else:
        yield Finding("ok", f"Version {loaded.version} for {kind} can be loaded.")
    if loaded.metadata.dictionary_hash != dictionary_hash(described(deployment.store, deployment.fleet, kind)):
        other = "other features than fleet.toml, the views and the data have"
        changed = f"Version {loaded.version} for {kind} learnt from {other}."
        yield Finding("problem", changed, f"{train[:-1]}, or undo the change to fleet.toml or the views.")
