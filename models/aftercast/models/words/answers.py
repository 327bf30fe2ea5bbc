"""What is said of one device or customer: a probability or why there is none, and one sentence for people.

The risk list, the command line and the service all speak through here, so that they cannot contradict each other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import pandas as pd

from aftercast.models.forecast import Statement
from aftercast.models.hazard.forecast import Driver, HazardForecast, Interval, PartUse
from aftercast.models.interpolation import risk_within, time_to
from aftercast.models.kinds import hazard_kind
from aftercast.models.words.next_step import NextStep, next_step
from aftercast.operations.clocks import DAY_US, HOUR_US, format_duration, parse_duration_us
from aftercast.operations.errors import ModelMismatchError

SECOND_US: Final = 1_000_000
MINUTE_US: Final = 60 * SECOND_US


@dataclass(frozen=True)
class RemainingLife:
    """Days from the cutoff until any component fails (the customer leaves): quantiles of the same probabilities.

    Attributes
    ----------
    lower_days, median_days, upper_days
        When the probability of a failure reaches 10, 50 and 90 %; None: not within ``beyond_days``.
    beyond_days
        The longest horizon of the model.
    """

    lower_days: float | None
    median_days: float | None
    upper_days: float | None
    beyond_days: float


@dataclass(frozen=True, kw_only=True)
class Answer(Statement):
    """What is said of one device or customer within one horizon.

    Attributes
    ----------
    probability
        That any component fails (the customer leaves) in (cutoff, cutoff + horizon]; None when it cannot be judged.
    interval
        Between which two probabilities the share of events among such forecasts lies, as far as a later period tells;
        None for a horizon between those of the model, or where that period was too short.
    remaining_life
        None where it cannot be judged.
    component
        The most likely component; None without a probability, and for customers.
    components
        Probability of each component within the horizon.
    next_step
        What to do; None without a probability.
    parts
        What repairs of the component used on devices of the model, the most usual first.
    """

    horizon: str
    probability: float | None = None
    interval: Interval | None = None
    remaining_life: RemainingLife | None = None
    component: str | None = None
    components: Mapping[str, float] = field(default_factory=dict)
    drivers: tuple[Driver, ...] = ()
    out_of_range: tuple[str, ...] = ()
    next_step: NextStep | None = None
    parts: tuple[PartUse, ...] = ()

    @property
    def until(self) -> pd.Timestamp:
        """End of the horizon (UTC)."""
        return _end(self.cutoff, parse_duration_us(self.horizon))

    @property
    def reasons(self) -> tuple[str, ...]:
        """Texts of the drivers, the strongest first."""
        return tuple(driver.text for driver in self.drivers)

    @property
    def values(self) -> Mapping[str, Any]:
        """Horizon, probability and the most likely component with its own."""
        own = self.component if self.component is not None else next(iter(self.components), None)
        return {
            "horizon": self.horizon,
            "probability": self.probability,
            "component": own,
            "component_probability": None if own is None else self.components[own],
        }


def answer(forecast: HazardForecast, horizon: str) -> Answer:
    """Answer for one horizon, any length up to the model's longest.

    Between two horizons of the model the hazard is taken as constant, see :func:`risk_within`.

    Raises
    ------
    ModelMismatchError
        If the horizon is longer than the model's longest.
    """
    horizon_us = parse_duration_us(horizon)
    check_horizon(horizon_us, forecast.horizons_us)
    components = {name: risk_within(forecast.horizons_us, risks, horizon_us) for name, risks in forecast.risks.items()}
    probability = risk_within(forecast.horizons_us, forecast.any_risk, horizon_us)
    by_component = hazard_kind(forecast.kind).words.by_component
    top = max(components, key=lambda name: (components[name], name)) if by_component else None
    parts = () if top is None else tuple(forecast.parts.get(top, ()))
    until = _end(forecast.cutoff, horizon_us)
    threshold = threshold_within(forecast.horizons_us, forecast.any_threshold, horizon_us)
    step = next_step(forecast.kind, probability, threshold, until, component=top, parts=parts, missing=forecast.missing)
    return Answer(
        kind=forecast.kind,
        entity_id=forecast.entity_id,
        cutoff=forecast.cutoff,
        horizon=horizon,
        sentence=_sentence(forecast.kind, probability, top, components, horizon_us),
        probability=probability,
        interval=dict(zip(forecast.horizons_us, forecast.any_interval, strict=False)).get(horizon_us),
        remaining_life=remaining_life(forecast),
        component=top,
        components=components,
        evidence=forecast.evidence,
        data_as_of=forecast.data_as_of,
        model_version=forecast.model_version,
        device_model=forecast.device_model,
        customer_id=forecast.customer_id,
        drivers=forecast.drivers,
        missing=forecast.missing,
        out_of_range=forecast.out_of_range,
        next_step=step,
        parts=parts,
    )


def not_judged(kind: str, entity_id: str, cutoff: pd.Timestamp, horizon: str, reason: str) -> Answer:
    """Answer without a probability: one that says why instead of pretending a risk of zero."""
    return Answer(
        kind=kind,
        entity_id=entity_id,
        cutoff=cutoff,
        horizon=horizon,
        sentence=f"The risk cannot be judged: {reason}.",
        reason=reason,
    )


def threshold_within(horizons_us: Sequence[int], thresholds: Sequence[float], horizon_us: int) -> float:
    """Threshold at a horizon; between those of the model it moves as a risk does, see :func:`risk_within`.

    NaN where one of the thresholds it would be made of is NaN, or none is known.

    >>> threshold_within([10, 20], [0.25, math.nan], 10), threshold_within([10, 20], [0.25, math.nan], 15)
    (0.25, nan)
    """
    return risk_within(horizons_us, thresholds, horizon_us) if len(thresholds) > 0 else math.nan


def remaining_life(forecast: HazardForecast) -> RemainingLife:
    """Remaining life by the probabilities of a forecast."""
    ends = [time_to(forecast.horizons_us, forecast.any_risk, share) for share in (0.1, 0.5, 0.9)]
    lower, median, upper = (None if end is None else end / DAY_US for end in ends)
    return RemainingLife(lower, median, upper, forecast.horizons_us[-1] / DAY_US)


def words(duration_us: int) -> str:
    """Return a duration in words.

    >>> words(7 * 24 * HOUR_US), words(24 * HOUR_US), words(36 * HOUR_US), words(HOUR_US)
    ('7 days', '24 hours', '36 hours', '1 hour')
    >>> words(HOUR_US // 120), words(HOUR_US // 2), words(3 * HOUR_US // 2), words(5 * HOUR_US // 2)
    ('30 seconds', '30 minutes', '90 minutes', '2.5 hours')
    """
    size, unit = _unit(duration_us)
    number = f"{duration_us / size:.10g}"
    return f"{number} {unit}" + ("" if number == "1" else "s")


def _unit(duration_us: int) -> tuple[int, str]:
    """Length and name of the unit in which a duration is said; a day is 24 hours."""
    if duration_us > DAY_US and duration_us % DAY_US == 0:
        return DAY_US, "day"
    if duration_us >= 2 * HOUR_US or duration_us % HOUR_US == 0:
        return HOUR_US, "hour"
    if duration_us >= 2 * MINUTE_US or duration_us % MINUTE_US == 0:
        return MINUTE_US, "minute"
    return SECOND_US, "second"


def percent(probability: float) -> str:
    """Return a probability with a precision that never rounds a possible event to impossible or certain.

    >>> percent(0.124), percent(0.0), percent(0.00012), percent(0.99991), percent(1.0)
    ('12.4 %', '0 %', 'under 0.1 %', 'over 99.9 %', '100 %')
    """
    if probability in {0.0, 1.0}:
        return f"{probability:.0%}".replace("%", " %")
    if probability < 0.001:
        return "under 0.1 %"
    return "over 99.9 %" if probability > 0.999 else f"{100 * probability:.1f} %"


@lru_cache(maxsize=1024)
def _end(cutoff: pd.Timestamp, horizon_us: int) -> pd.Timestamp:
    return cutoff + pd.Timedelta(horizon_us, unit="us")


def check_horizon(horizon_us: int, horizons_us: Sequence[int]) -> None:
    """Refuse a horizon that is longer than the model's longest."""
    if horizon_us > horizons_us[-1]:
        raise ModelMismatchError(
            f"The model forecasts up to {format_duration(horizons_us[-1])}, not {format_duration(horizon_us)}.",
            "Ask for a shorter horizon, or add this one to `horizons` in fleet.toml and train again.",
        )


def _sentence(kind: str, probability: float, top: str | None, components: Mapping[str, float], horizon_us: int) -> str:
    """One sentence; with several components the number at its head is that of any of them failing."""
    within = f"within {words(horizon_us)}"
    found = hazard_kind(kind)
    if top is None:
        return f"{percent(probability)} likelihood that the {found.entity.noun} {found.words.verb} {within}"
    if len(components) == 1:
        article = "an" if top[:1].lower() in set("aeiou") else "a"
        return f"{percent(probability)} likelihood of {article} {top} {found.words.event} {within}"
    return (
        f"{percent(probability)} likelihood of a {found.words.event} {within}, "
        f"most likely of the {top} ({percent(components[top])})"
    )
