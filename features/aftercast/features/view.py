"""What a feature view is: declared columns and the function that computes them from the history at the cutoffs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from aftercast.features.context import Context, Values
from aftercast.features.examples import Grain
from aftercast.features.scope import Feature, Scope

ContextT = TypeVar("ContextT", bound=Context)


@dataclass(frozen=True)
class FeatureView(Generic[ContextT]):
    """A topic of features.

    Attributes
    ----------
    name
        Topic, the name of its file.
    grain
        One row per (grain, cutoff).
    features
        Columns for a scope; the same scope gives the same columns whatever the data.
    compute
        Columns by name, each of shape (n,), for the examples of a context. What is computed for a row may depend only
        on what was visible at its cutoff.
    """

    name: str
    grain: Grain
    features: Callable[[Scope], list[Feature]]
    compute: Callable[[ContextT], dict[str, Values]]
