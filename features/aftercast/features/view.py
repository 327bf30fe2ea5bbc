"""What a feature view is: columns, each with its values from the history at the cutoffs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from aftercast.features.context import Context, Values
from aftercast.features.event_table import EventTable
from aftercast.features.examples import Grain
from aftercast.features.scope import Feature, category, number

ContextT = TypeVar("ContextT", bound=Context)
Columns = Iterator[tuple[Feature, Values]]


def attribute_columns(context: Context, facts: EventTable, of: str) -> Columns:
    """Open attributes of a device or a customer, in the version known at each cutoff."""
    for name, kind in sorted(context.scope.attributes.items()):
        about = f"attribute {name} of the {of}; missing when unknown"
        if kind == "number":
            yield number(name, "", about), context.fact(facts, name, np.nan)
        else:
            yield category(name, about), context.fact(facts, name, None)


@dataclass(frozen=True)
class FeatureView(Generic[ContextT]):
    """A topic of features.

    Attributes
    ----------
    name
        Topic, the name of its file.
    grain
        One row per (grain, cutoff).
    columns
        Columns in their order, each with its values, shape (n,), for the examples of a context. The same scope gives
        the same columns whatever the data, so that a context without any data tells which there are. What is computed
        for a row may depend only on what was visible at its cutoff.
    """

    name: str
    grain: Grain
    columns: Callable[[ContextT], Columns]

    def compute(self, context: ContextT) -> dict[str, Values]:
        """Values by column name."""
        return {feature.name: values for feature, values in self.columns(context)}
