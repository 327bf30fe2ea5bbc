"""Feature frames: every view's columns for the examples, one row per (device_id, cutoff) or (customer_id, cutoff)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from aftercast.features.cohort import add_cohort_features
from aftercast.features.context import Context, CustomerContext, DeviceContext, Values
from aftercast.features.customer_history import CustomerHistory
from aftercast.features.dictionary import views_of
from aftercast.features.examples import Examples
from aftercast.features.history import History
from aftercast.features.scope import Scope
from aftercast.features.view import FeatureView
from aftercast.operations.errors import InputError

Stage = Literal["all", "device"]


def build_device_features(
    history: History, examples: Examples, *, stage: Stage = "all", force_slow: bool = False
) -> pd.DataFrame:
    """Features of devices at cutoffs.

    Parameters
    ----------
    history
        Records of at least the devices of the examples.
    stage
        "device" leaves the cohort columns out: for a fleet in parts, whose frames are joined by
        :func:`concat_features` and completed by ``add_cohort_features``.
    force_slow
        Recompute each window from its records; equal to the bit, for tests.

    Returns
    -------
    DataFrame, n rows aligned with the examples
        float32 columns, NaN for missing, and pandas categories of text; in the order of the feature dictionary.

    Raises
    ------
    InputError
        If an example's device is not in the history.
    """
    _require(examples, "device_id")
    scope = Scope(history.spec, history.attributes)
    offsets = examples.offsets(history.device_ids)
    frame = _build(DeviceContext(examples, scope, offsets, history, force_slow), views_of("device_id"))
    return frame if stage == "device" else add_cohort_features(frame, examples, history.spec)


def build_customer_features(history: CustomerHistory, examples: Examples) -> pd.DataFrame:
    """Features of customers at cutoffs, as :func:`build_device_features`; customer ids are never among them."""
    _require(examples, "customer_id")
    scope = Scope(history.spec, history.attributes)
    offsets = examples.offsets(history.customer_ids)
    return _build(CustomerContext(examples, scope, offsets, history), views_of("customer_id"))


def concat_features(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Rows of the frames below one another, the categories of text columns united and sorted."""
    joined = pd.concat(
        [frame.astype(dict.fromkeys(_text_columns(frame), object)) for frame in frames], ignore_index=True
    )
    return joined.assign(**{name: _categorical(joined[name].to_numpy()) for name in _text_columns(frames[0])})


def _text_columns(frame: pd.DataFrame) -> list[str]:
    return [str(name) for name, dtype in frame.dtypes.items() if isinstance(dtype, pd.CategoricalDtype)]


def _require(examples: Examples, grain: str) -> None:
    if examples.grain != grain:
        raise InputError(f"Examples of {examples.grain} were given where {grain} is asked.", "Build the matching ones.")


def _build(context: Context, views: Sequence[FeatureView[Any]]) -> pd.DataFrame:
    columns: dict[str, Any] = {}
    for view in views:
        for feature, values in view.columns(context):
            number = feature.kind == "number"
            columns[feature.name] = np.asarray(values).astype(np.float32) if number else _categorical(values)
    return pd.DataFrame(columns, index=pd.RangeIndex(len(context.examples)))


def _categorical(values: Values) -> pd.Categorical:
    codes, categories = pd.factorize(values.astype(object), sort=True)
    return pd.Categorical.from_codes(codes, pd.Index(categories, dtype="str"))
