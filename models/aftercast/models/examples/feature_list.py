"""The feature dictionary of a store: what its fleet spec declares and its data carry as attributes."""

from __future__ import annotations

from typing import Final

import pandas as pd

from aftercast.data.fleet import FleetSpec
from aftercast.data.store import Store
from aftercast.features.dictionary import feature_dictionary
from aftercast.features.examples import Grain
from aftercast.features.history import attributes_of
from aftercast.features.scope import Feature
from aftercast.operations.database.forecasts import Kind

GRAINS: Final[dict[Kind, Grain]] = {"failure": "device_id", "churn": "customer_id"}
TABLES: Final[dict[Kind, str]] = {"failure": "devices", "churn": "customers"}


def described(
    store: Store,
    spec: FleetSpec,
    kind: Kind,
    *,
    version: int | None = None,
    known_at: pd.Timestamp | None = None,
) -> list[Feature]:
    """Features a model of this kind sees, in the order of its columns."""
    table = TABLES[kind]
    rows = store.read(table, version=version, known_at=known_at)
    return feature_dictionary(spec, GRAINS[kind], attributes_of(rows, table))
