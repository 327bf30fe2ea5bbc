"""The feature dictionary: every column the discovered views declare, in the order in which models see them."""

from __future__ import annotations

import hashlib
import importlib
import json
import pkgutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from aftercast.data.fleet import FleetSpec
from aftercast.features import views
from aftercast.features.cohort import cohort_features
from aftercast.features.context import Context, CustomerContext, DeviceContext
from aftercast.features.customer_history import CustomerHistory
from aftercast.features.examples import Examples, Grain
from aftercast.features.history import AttributeKind, History
from aftercast.features.scope import Feature, Scope
from aftercast.features.view import FeatureView
from aftercast.operations.errors import SettingsError


@cache
def discovered_views() -> tuple[FeatureView[Any], ...]:
    """Every view of the ``views`` folder, by name."""
    names = sorted(module.name for module in pkgutil.iter_modules(views.__path__))
    return tuple(importlib.import_module(f"{views.__name__}.{name}").VIEW for name in names)


def views_of(grain: Grain) -> tuple[FeatureView[Any], ...]:
    """Return the views of one grain, by name."""
    return tuple(view for view in discovered_views() if view.grain == grain)


def declared(view: FeatureView[Any], scope: Scope) -> list[Feature]:
    """Columns of one view, each carrying the view's name."""
    return _declared(view, _without_data(view.grain, scope))


def _declared(view: FeatureView[Any], context: Context) -> list[Feature]:
    return [replace(feature, view=view.name) for feature, _ in view.columns(context)]


def _without_data(grain: Grain, scope: Scope) -> Context:
    """Return a context of no examples, of a history without records that has the attributes of the scope."""
    dtypes = {name: "float64" if kind == "number" else "str" for name, kind in scope.attributes.items()}
    facts = pd.DataFrame({name: pd.Series(dtype=dtype) for name, dtype in dtypes.items()})
    nobody, offsets = Examples.of([], [], grain), np.zeros(1, dtype=np.int64)
    if grain == "device_id":
        return DeviceContext(nobody, scope, offsets, History.from_frames(scope.spec, {"devices": facts}))
    return CustomerContext(nobody, scope, offsets, CustomerHistory.from_frames(scope.spec, {"customers": facts}))


def feature_dictionary(
    spec: FleetSpec, grain: Grain, attributes: Mapping[str, AttributeKind] | None = None
) -> list[Feature]:
    """Every column of a grain in the order of the frames.

    Parameters
    ----------
    attributes
        Attributes present in the data (``History.attributes``).

    Raises
    ------
    SettingsError
        If two columns would share a name.
    """
    scope = Scope(spec, attributes or {})
    nothing = _without_data(grain, scope)
    found = [feature for view in views_of(grain) for feature in _declared(view, nothing)]
    if grain == "device_id":
        found += cohort_features(scope)
    twice = [name for name, times in Counter(f.name for f in found).items() if times > 1]
    if twice:
        raise SettingsError(
            f"Two features are called '{twice[0]}'.", "Rename the sensor, component, fault code or attribute behind it."
        )
    return found


def dictionary_hash(features: Sequence[Feature]) -> str:
    """Digest of names and definitions in their order, hex; models refuse features with another one."""
    text = json.dumps([asdict(feature) for feature in features], ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
