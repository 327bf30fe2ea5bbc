"""The forecast of a hazard model: probabilities by horizon and component, with reasons and inputs, and as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, TypeAlias

from pydantic import BeforeValidator, ConfigDict, Field, PlainSerializer, PlainValidator

from aftercast.models.forecast import Forecast, UtcInstant

Interval: TypeAlias = tuple[float, float]


@dataclass(frozen=True)
class PartUse:
    """A part that repairs used: on how many of them, and how many at a time in the middle."""

    sku: str
    repairs: int
    of: int
    quantity: float


@dataclass(frozen=True)
class Driver:
    """A feature that moved a risk.

    Attributes
    ----------
    value
        Number in unit, or text; None when missing, which is not zero.
    contribution
        To the log-odds of the risk; above 0 raises it.
    text
        For people: the value beside what is usual for devices of the model.
    """

    feature: str
    value: float | str | None
    unit: str
    contribution: float
    text: str
    about: str = ""


Drivers: TypeAlias = Annotated[
    tuple[Driver, ...],
    PlainValidator(lambda rows: tuple(Driver(*row) for row in rows)),
    PlainSerializer(lambda drivers: [[*vars(each).values()] for each in drivers]),
]
Parts: TypeAlias = Annotated[
    Mapping[str, tuple[PartUse, ...]],
    PlainValidator(lambda found: {name: tuple(PartUse(*row) for row in rows) for name, rows in found.items()}),
    PlainSerializer(lambda found: {name: [[*vars(each).values()] for each in parts] for name, parts in found.items()}),
]
Threshold: TypeAlias = Annotated[
    float,
    BeforeValidator(lambda value: math.nan if value is None else value),
    PlainSerializer(lambda value: None if math.isnan(value) else value),
]
"""How fields are stored: drivers and parts as lists of their values, a threshold that was not learnt as null."""


@dataclass(frozen=True)
class HazardForecast(Forecast):
    """Everything one scoring says of one device or customer, for every horizon of the model.

    Attributes
    ----------
    horizons_us
        Ends of the intervals, counted from the cutoff, shape (H,), ascending.
    risks
        Component -> probability within each horizon, shape (H,); finite, 0 and 1 included.
    any_risk
        Probability that any component fails within each horizon, shape (H,).
    any_interval
        Interval of each of these, shape (H, 2); None where there is none.
    any_threshold
        Probability from which a row is called failing within each horizon, shape (H,); NaN where none was learnt.
    missing
        Inputs that had no value; none was read as zero.
    out_of_range
        Inputs that sent impossible values in the longest window of the features; those were not read.
    parts
        Component -> parts that its repairs used on devices of the model.
    data_as_of
        When the newest fact used became known (UTC); None where there was none.
    """

    __pydantic_config__ = ConfigDict(arbitrary_types_allowed=True)

    horizons_us: Annotated[tuple[int, ...], Field(exclude=True)]
    risks: Mapping[str, tuple[float, ...]]
    any_risk: Annotated[tuple[float, ...], Field(alias="any")]
    evidence: str
    data_as_of: Annotated[UtcInstant | None, Field(alias="as_of")]
    device_model: str = ""
    customer_id: str = ""
    drivers: Drivers = ()
    missing: tuple[str, ...] = ()
    any_interval: tuple[Interval | None, ...] = ()
    any_threshold: tuple[Threshold, ...] = ()
    out_of_range: tuple[str, ...] = ()
    parts: Parts = field(default_factory=dict)

    @property
    def ranks(self) -> tuple[float, ...]:
        """Probability of any component within each horizon."""
        return self.any_risk
