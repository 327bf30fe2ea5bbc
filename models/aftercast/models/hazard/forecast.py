"""The forecast of a hazard model: probabilities by horizon and component, with reasons and inputs, and as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import pandas as pd

from aftercast.models.forecast import Forecast
from aftercast.operations.clocks import parse_duration_us

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

    horizons_us: tuple[int, ...]
    risks: Mapping[str, tuple[float, ...]]
    any_risk: tuple[float, ...]
    evidence: str
    data_as_of: pd.Timestamp | None
    device_model: str = ""
    customer_id: str = ""
    drivers: tuple[Driver, ...] = ()
    missing: tuple[str, ...] = ()
    any_interval: tuple[Interval | None, ...] = ()
    any_threshold: tuple[float, ...] = ()
    out_of_range: tuple[str, ...] = ()
    parts: Mapping[str, tuple[PartUse, ...]] = field(default_factory=dict)

    @property
    def ranks(self) -> tuple[float, ...]:
        """Probability of any component within each horizon."""
        return self.any_risk


def forecast_to_dict(score: HazardForecast) -> dict[str, Any]:
    """Return what is stored of a score besides what its set says; floats keep every digit."""
    return {
        "risks": {name: list(values) for name, values in score.risks.items()},
        "any": list(score.any_risk),
        "any_interval": [None if ends is None else list(ends) for ends in score.any_interval],
        "evidence": score.evidence,
        "as_of": None if score.data_as_of is None else score.data_as_of.isoformat(),
        "device_model": score.device_model,
        "customer_id": score.customer_id,
        "drivers": [[d.feature, d.value, d.unit, d.contribution, d.text, d.about] for d in score.drivers],
        "missing": list(score.missing),
        "any_threshold": [None if math.isnan(each) else each for each in score.any_threshold],
        "out_of_range": list(score.out_of_range),
        "parts": {
            component: [[part.sku, part.repairs, part.of, part.quantity] for part in parts]
            for component, parts in score.parts.items()
        },
    }


def forecast_from_dict(
    content: Mapping[str, Any],
    *,
    kind: str,
    entity_id: str,
    cutoff: pd.Timestamp,
    model_version: str,
    data_version: int,
    horizons: Sequence[str],
) -> HazardForecast:
    """Return the score that :func:`forecast_to_dict` wrote, equal to the last digit."""
    as_of = content["as_of"]
    return HazardForecast(
        kind=kind,
        entity_id=entity_id,
        cutoff=cutoff,
        model_version=model_version,
        data_version=data_version,
        horizons_us=tuple(parse_duration_us(horizon) for horizon in horizons),
        risks={name: tuple(values) for name, values in content["risks"].items()},
        any_risk=tuple(content["any"]),
        evidence=content["evidence"],
        data_as_of=None if as_of is None else pd.Timestamp(as_of),
        device_model=content["device_model"],
        customer_id=content["customer_id"],
        drivers=tuple(Driver(*item) for item in content["drivers"]),
        missing=tuple(content["missing"]),
        any_interval=tuple(None if ends is None else (ends[0], ends[1]) for ends in content.get("any_interval", ())),
        any_threshold=tuple(math.nan if each is None else each for each in content.get("any_threshold", ())),
        out_of_range=tuple(content.get("out_of_range", ())),
        parts={
            component: tuple(PartUse(*part) for part in parts) for component, parts in content.get("parts", {}).items()
        },
    )
