"""Rows of a snapshot with what a model says of them: the forecast of one device is looked up here, not computed."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from aftercast.data.fleet import FleetSpec
from aftercast.features.scope import Feature
from aftercast.models.aliases import Floats, Mask
from aftercast.models.hazard.forecast import Driver, HazardForecast, Interval, PartUse
from aftercast.models.scoring.risk_arrays import Judged
from aftercast.models.scoring.silence import silent_sensors
from aftercast.models.scoring.snapshot import Snapshot
from aftercast.operations.clocks import NEVER


@dataclass(frozen=True)
class Usual:
    """What is usual for a device model: mean and standard deviation of each number feature, by model.

    Attributes
    ----------
    mean, deviation
        One row per device model, one column per number feature; NaN where no device had a value.
    """

    mean: pd.DataFrame
    deviation: pd.DataFrame

    @classmethod
    def of(cls, snapshot: Snapshot) -> Usual:
        """Statistics over all devices of each model in a snapshot (sample deviation, one device has none)."""
        numbers = snapshot.features.select_dtypes("number").astype(np.float64)
        groups = numbers.groupby(np.asarray(snapshot.device_model, dtype=object))
        return cls(groups.mean(), groups.std())

    def find(self, device_model: str, feature: str) -> tuple[float, float] | None:
        """Mean and deviation of a feature among devices of a model; None where they are not known."""
        row, column = self._places
        if feature not in column or device_model not in row:
            return None
        mean, deviation = (values[row[device_model], column[feature]] for values in self._values)
        return (float(mean), float(deviation)) if math.isfinite(mean) and math.isfinite(deviation) else None

    @cached_property
    def _places(self) -> tuple[dict[Any, int], dict[Any, int]]:
        return (
            {model: i for i, model in enumerate(self.mean.index)},
            {name: i for i, name in enumerate(self.mean.columns)},
        )

    @cached_property
    def _values(self) -> tuple[Floats, Floats]:
        return self.mean.to_numpy(np.float64), self.deviation.to_numpy(np.float64)


@dataclass(frozen=True)
class ForecastRows:
    """Rows and their judgement.

    Attributes
    ----------
    snapshot, judged
        n aligned rows.
    names
        Columns of the features in the order that the judgement numbers them.
    usual
        What is usual for each device model.
    """

    snapshot: Snapshot
    judged: Judged
    model_version: str
    names: tuple[str, ...]
    usual: Usual
    spec: FleetSpec

    @cached_property
    def position(self) -> dict[str, int]:
        """Row of each device or customer id."""
        return {str(entity_id): i for i, entity_id in enumerate(self.snapshot.ids)}

    def forecast(self, i: int, top: int) -> HazardForecast:
        """Forecast of a row, with at most so many drivers."""
        rows, risks, newest = self.snapshot, self.judged.risks, int(self.snapshot.data_as_of[i])
        device_model = str(rows.device_model[i])
        return HazardForecast(
            kind=rows.kind,
            entity_id=str(rows.ids[i]),
            cutoff=self._cutoff(int(rows.cutoff_us[i])),
            model_version=self.model_version,
            data_version=rows.data_version,
            horizons_us=self._horizons_us,
            risks={name: tuple(risks.probability[i, :, c].tolist()) for c, name in enumerate(risks.components)},
            any_risk=tuple(risks.any_probability[i].tolist()),
            evidence=str(rows.evidence[i]),
            data_as_of=None if newest == NEVER else pd.Timestamp(newest, unit="us", tz="UTC"),
            device_model=device_model,
            customer_id=str(rows.customer_id[i]),
            drivers=self._drivers(i, top, device_model),
            missing=tuple(name for name, gone in self._missing.items() if gone[i]),
            any_interval=_interval(self.judged.ends[i].tolist()),
            any_threshold=self._thresholds,
            out_of_range=tuple(rows.out_of_range[i]),
            parts=self._parts(device_model),
        )

    @cached_property
    def _horizons_us(self) -> tuple[int, ...]:
        return tuple(int(each) for each in self.judged.risks.horizons_us)

    @cached_property
    def _thresholds(self) -> tuple[float, ...]:
        return tuple(self.judged.thresholds.tolist())

    def _parts(self, device_model: str) -> dict[str, tuple[PartUse, ...]]:
        if device_model not in self._parts_of:
            parts, components = self.snapshot.parts, self.judged.risks.components
            self._parts_of[device_model] = {name: one for name in components if (one := parts.of(name, device_model))}
        return self._parts_of[device_model]

    @cached_property
    def _parts_of(self) -> dict[str, dict[str, tuple[PartUse, ...]]]:
        return {}

    def _cutoff(self, cutoff_us: int) -> pd.Timestamp:
        at = self.snapshot.cutoff
        return at if cutoff_us == self._cutoff_us else pd.Timestamp(cutoff_us, unit="us", tz="UTC")

    @cached_property
    def _cutoff_us(self) -> int:
        return int(self.snapshot.cutoff.as_unit("us").value)

    @cached_property
    def _missing(self) -> dict[str, Mask]:
        """Whether each sensor does not report, for each row."""
        return silent_sensors(self.snapshot.features, self.spec)

    @cached_property
    def _features(self) -> dict[str, Feature]:
        return {feature.name: feature for feature in self.snapshot.dictionary}

    @cached_property
    def _columns(self) -> dict[str, npt.NDArray[Any]]:
        return {}

    def _value(self, name: str, i: int) -> Any:
        if name not in self._columns:
            self._columns[name] = np.asarray(self.snapshot.features[name])
        return self._columns[name][i]

    def _drivers(self, i: int, top: int, device_model: str) -> tuple[Driver, ...]:
        chosen = zip(self.judged.driver[i, :top].tolist(), self.judged.contribution[i, :top].tolist(), strict=True)
        return tuple(self._driver(self.names[j], i, by, device_model) for j, by in chosen if j >= 0)

    def _driver(self, name: str, i: int, contribution: float, device_model: str) -> Driver:
        unit, about, called, beside = self._described(name, device_model)
        plain = _plain(self._value(name, i))
        never = None if plain is not None else _never(self._features.get(name))
        text = never or f"{called} {_shown(plain, unit)}{beside}"
        return Driver(name, plain, unit, contribution, text, about)

    def _described(self, name: str, device_model: str) -> tuple[str, str, str, str]:
        """Unit of a feature, what it is about, what people call it, and what is usual for a device model."""
        key = (name, device_model)
        if key not in self._descriptions:
            feature = self._features.get(name)
            unit, about = ("", "") if feature is None else (feature.unit, feature.about)
            self._descriptions[key] = (unit, about, readable(name), self._beside(name, unit, device_model))
        return self._descriptions[key]

    @cached_property
    def _descriptions(self) -> dict[tuple[str, str], tuple[str, str, str, str]]:
        return {}

    def _beside(self, name: str, unit: str, device_model: str) -> str:
        """Say what is usual for the model, nothing where that is not known or the feature is no number."""
        found = self.usual.find(device_model, name)
        if found is None:
            return ""
        noun = f"model {device_model}" if device_model else "customers"
        return f", usual for {noun} {_digits(found[0])} ± {_digits(found[1])} {unit}".rstrip()


def _interval(ends: list[list[float]]) -> tuple[Interval | None, ...]:
    return tuple(None if math.isnan(low) else (low, high) for low, high in ends)


def _plain(value: Any) -> float | str | None:
    """JSON value of a feature: text, a number, or None when missing."""
    if isinstance(value, str):
        return value
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    return None if value is None or pd.isna(value) else float(value)


def _shown(value: float | str | None, unit: str) -> str:
    if value is None:
        return "not known"
    number = value if isinstance(value, str) else _digits(value)
    return f"{number} {unit}".rstrip()


def _digits(value: float) -> str:
    """Return a number with about three digits, and an exponent only where it would have six zeros after the point.

    What rounding leaves of an exact zero, below 1e-12, is zero.

    >>> _digits(4080.0), _digits(52.123), _digits(-0.01234), _digits(0.0), _digits(0.000724)
    ('4,080', '52.1', '-0.0123', '0', '0.000724')
    >>> _digits(0.0000216), _digits(2.16e-9), _digits(1e-17)
    ('0.0000216', '2.16e-09', '0')
    """
    if abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) < 1e-12:
        return "0"
    if abs(value) >= 1e-4 or abs(value) < 1e-6:
        return f"{value:.3g}"
    return np.format_float_positional(value, precision=3, fractional=False, trim="-")


_AGE: Final = re.compile(r"_age_(?:hours|days)$")
_REPORTED: Final = frozenset({"faults", "silence"})
"""Views whose ages are those of reports of the device."""
_SINCE_THE_START: Final = frozenset({"age", "attributes"})
"""Views whose ages do not count from an event that may never happen."""


def _never(feature: Feature | None) -> str | None:
    """Say of the age of an event that it never happened; None where something else is not known.

    >>> _never(Feature("E-VALVE_age_hours", "h", "", "faults")), _never(Feature("repair_age_days", "d", "", "repairs"))
    ('E-VALVE never reported', 'no repair so far')
    """
    if feature is None or feature.view in _SINCE_THE_START or _AGE.search(feature.name) is None:
        return None
    event = readable(_AGE.sub("", feature.name))
    return f"{event} never reported" if feature.view in _REPORTED else f"no {event} so far"


_WINDOW: Final = re.compile(r"(?<=_)(\d+)(h|d)(?=_|$)")


def readable(name: str) -> str:
    """Return a feature name as people read it.

    >>> readable("vibration_mean_24h"), readable("days_since_repair")
    ('vibration mean 24 h', 'days since repair')
    """
    return _WINDOW.sub(r"\1 \2", name).replace("_", " ")
