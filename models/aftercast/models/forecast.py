"""What every forecast and every answer has, whatever its shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Annotated, Any, Final, TypeVar, cast

import pandas as pd
from pydantic import BeforeValidator, ConfigDict, PlainSerializer, TypeAdapter


@dataclass(frozen=True)
class Forecast:
    """What one scoring says of one device or customer.

    Attributes
    ----------
    kind
        Name of the kind of model.
    cutoff
        Instant (UTC); nothing later was read.
    """

    kind: str
    entity_id: str
    cutoff: pd.Timestamp
    model_version: str
    data_version: int

    @property
    def ranks(self) -> tuple[float, ...]:
        """By what lists order it, see :meth:`Kind.urgency`; empty where it cannot be judged."""
        return ()


@dataclass(frozen=True, kw_only=True)
class Statement:
    """What people and systems are told of one device or customer.

    Attributes
    ----------
    sentence
        The forecast, or why there is none, in one sentence without its full stop.
    reason
        Why there is no forecast; None where there is one.
    evidence
        What the forecast rests on: ``telemetry``, ``history`` or ``cohort``.
    missing
        Inputs that had no value; none was read as zero.
    data_as_of
        When the newest fact used became known (UTC); None where there was none.
    """

    kind: str
    entity_id: str
    cutoff: pd.Timestamp
    sentence: str
    reason: str | None = None
    evidence: str | None = None
    missing: tuple[str, ...] = ()
    data_as_of: pd.Timestamp | None = None
    device_model: str = ""
    customer_id: str = ""
    model_version: str = ""

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why, one text each, the strongest first."""
        return ()

    @property
    def values(self) -> Mapping[str, Any]:
        """What only forecasts of its shape have, as JSON values."""
        return {}


UtcInstant = Annotated[
    pd.Timestamp, BeforeValidator(pd.Timestamp), PlainSerializer(lambda moment: moment.isoformat(), return_type=str)
]


@dataclass(frozen=True, kw_only=True)
class PlainForecast(Forecast):
    """A forecast that is no probability by horizon.

    Attributes
    ----------
    urgency
        By which it is ordered, largest first; None where it cannot be judged.
    notices
        What people should know beside it; why it cannot be judged where it cannot.
    """

    __pydantic_config__ = ConfigDict(arbitrary_types_allowed=True)

    urgency: float | None
    data_as_of: UtcInstant | None
    device_model: str
    customer_id: str
    notices: tuple[str, ...] = ()

    @property
    def ranks(self) -> tuple[float, ...]:
        """The urgency."""
        return () if self.urgency is None else (self.urgency,)


@dataclass(frozen=True, kw_only=True)
class DistributionForecast(PlainForecast):
    """A quantity with an interval, as remaining life; all of it None where it cannot be judged.

    Attributes
    ----------
    quantity, unit
        What is forecast, as in "life of the pump" and "cycles".
    expected, cautious
        The point, and the one that costs least where one side's errors are worse.
    lower, upper
        Interval, ends included; ``upper`` is None where it is open above.
    coverage
        Share of true values that the interval shall hold.
    facts
        What else is known, by name, as JSON values.
    """

    quantity: str
    unit: str
    expected: float | None
    cautious: float | None
    lower: float | None
    upper: float | None
    coverage: float
    facts: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class AlarmForecast(PlainForecast):
    """Whether something is unusual, at a rate of alarms that is held; never a probability.

    Attributes
    ----------
    state
        ``usual``, ``unusual``, ``dark`` or ``not judged``.
    strength, alarm_from
        How unusual it is, and from where on that is an alarm; the former None where it is not judged.
    since
        Since when it has been unusual, or silent (UTC); None where it is neither, or never reported.
    reasons
        What deviates, in words and units, most unusual first.
    """

    state: str
    strength: float | None
    alarm_from: float
    since: UtcInstant | None
    reasons: tuple[str, ...] = ()


ForecastT = TypeVar("ForecastT", bound=Forecast)
HEAD: Final = frozenset(field.name for field in fields(Forecast))
_adapter: Final[Callable[[Any], TypeAdapter[Any]]] = cache(TypeAdapter)


def stored_content(forecast: Forecast) -> dict[str, Any]:
    """JSON content of a forecast without what its set says; floats keep every digit."""
    return dict(_adapter(type(forecast)).dump_python(forecast, mode="json", by_alias=True, exclude=set(HEAD)))


def restored_forecast(shape: type[ForecastT], head: Mapping[str, Any], content: Mapping[str, Any]) -> ForecastT:
    """Forecast of stored content and what its set says, equal to the last digit."""
    return cast("ForecastT", _adapter(shape).validate_python({**content, **head}))


@dataclass(frozen=True, kw_only=True)
class PlainStatement(Statement):
    """Statement about a forecast that is no probability by horizon.

    Attributes
    ----------
    said
        Why, and what else people should know; one text each.
    facts
        What only forecasts of its shape have, as JSON values.
    """

    said: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def reasons(self) -> tuple[str, ...]:
        """What deviates, and notices."""
        return self.said

    @property
    def values(self) -> Mapping[str, Any]:
        """The facts."""
        return self.facts
