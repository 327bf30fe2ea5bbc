"""The champions: there is one, it can be loaded, fits the features, and has not learnt too long ago."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pandas as pd

from aftercast.cli.doctor.deployment import Deployment
from aftercast.cli.doctor.findings import Finding, guarded
from aftercast.features.dictionary import dictionary_hash
from aftercast.models.examples.feature_list import described
from aftercast.models.kind import Kind
from aftercast.models.kinds import every_kind
from aftercast.operations.clocks import parse_time

OLD = pd.Timedelta(days=90)
FIRST = "failure"  # the service is not ready without it


def check(deployment: Deployment) -> Iterator[Finding]:
    """Say so for each kind of model."""
    deployment.reach_registry()
    for kind in every_kind():
        yield from guarded("champion", partial(_of, deployment, kind))  # of a kind that fails, the other is still told


def _of(deployment: Deployment, kind: Kind) -> Iterator[Finding]:
    name = kind.name
    loaded, train = deployment.champion(name), f"Run `aftercast train {name}`."
    if loaded is None:
        if kind.shape == "hazard":  # the others are for fleets of their kind
            mend = f"{train[:-1]}, with --again if it was trained before."
            yield Finding("problem" if name == FIRST else "warning", f"No {name} model is champion.", mend)
        return
    age = deployment.now - parse_time(loaded.metadata.until)
    if age > OLD:
        yield Finding(
            "warning", f"Version {loaded.version} for {name} learnt from data up to {age.days} days ago.", train
        )
    else:
        yield Finding("ok", f"Version {loaded.version} for {name} can be loaded.")
    now = dictionary_hash(described(deployment.store, deployment.fleet, kind.grain))
    if loaded.metadata.dictionary_hash not in ("", now):
        other = "other features than fleet.toml, the views and the data have"
        changed = f"Version {loaded.version} for {name} learnt from {other}."
        yield Finding("problem", changed, f"{train[:-1]}, or undo the change to fleet.toml or the views.")
