"""The feature dictionary of a store: what its fleet spec declares and its data carry as attributes."""

from __future__ import annotations

import pandas as pd

from aftercast.data.fleet import FleetSpec
from aftercast.data.store import Store
from aftercast.features.dictionary import feature_dictionary
from aftercast.features.examples import Grain
from aftercast.features.history import attributes_of
from aftercast.features.scope import Feature
from aftercast.models.examples.entities import ENTITIES


def described(
    store: Store,
    spec: FleetSpec,
    grain: Grain,
    *,
    version: int | None = None,
    known_at: pd.Timestamp | None = None,
) -> list[Feature]:
    """Features that a model of a grain sees, in the order of its columns."""
    table = ENTITIES[grain].table
    rows = store.read(table, version=version, known_at=known_at)
    return feature_dictionary(spec, grain, attributes_of(rows, table, spec))
