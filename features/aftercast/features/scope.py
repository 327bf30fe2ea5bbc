"""Declared columns and what they depend on: the fleet spec and the attributes present, never the data's values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from aftercast.data.fleet import FleetSpec
from aftercast.features.history import AttributeKind
from aftercast.operations.clocks import DAY_US, HOUR_US, parse_duration_us

LOOK_BACK_HALF_LIVES: Final = 7  # the oldest record weighs 1/128; with the defaults this is the longest window
CUSTOMER_WINDOWS: Final = (30 * DAY_US, 90 * DAY_US, 365 * DAY_US)


@dataclass(frozen=True)
class Feature:
    """One declared column.

    Attributes
    ----------
    name
        ``<quantity>_<statistic>_<window>``.
    unit
        Unit of the value, empty for shares, flags and categories.
    about
        One sentence, with the meaning of missing.
    view
        The view that computes it.
    kind
        ``number`` is float32 with NaN for missing, ``category`` text.
    """

    name: str
    unit: str
    about: str
    view: str
    kind: AttributeKind = "number"


@dataclass(frozen=True)
class Scope:
    """What the columns of a view depend on: the fleet spec and the attributes present."""

    spec: FleetSpec
    attributes: Mapping[str, AttributeKind] = field(default_factory=dict)

    @property
    def windows(self) -> tuple[int, ...]:
        """Windows of telemetry, ascending, microseconds."""
        return _spans(self.spec.features.windows)

    @property
    def event_windows(self) -> tuple[int, ...]:
        """Windows of events, ascending, microseconds."""
        return _spans(self.spec.features.event_windows)

    @property
    def trend_window(self) -> int:
        """Window of the trend, microseconds."""
        return parse_duration_us(self.spec.features.trend_window)

    @property
    def half_life(self) -> int:
        """Half-life of the exponential mean, microseconds."""
        return parse_duration_us(self.spec.features.half_life)

    @property
    def look_back(self) -> int:
        """Window of the exponential mean, whose weights are cut off after 7 half-lives, microseconds."""
        return LOOK_BACK_HALF_LIVES * self.half_life

    @property
    def levels(self) -> tuple[str, ...]:
        """Sensors whose level means something: those that do not count up."""
        return tuple(s.name for s in self.spec.sensors if not s.cumulative)

    @property
    def counters(self) -> tuple[str, ...]:
        """Sensors that count up over the device's life."""
        return tuple(s.name for s in self.spec.sensors if s.cumulative)

    @property
    def codes(self) -> tuple[str, ...]:
        """Fault codes of the spec."""
        return tuple(f.code for f in self.spec.fault_codes)

    def unit(self, sensor: str) -> str:
        """Return the unit of a sensor."""
        return next(s.unit for s in self.spec.sensors if s.name == sensor)


def _spans(texts: tuple[str, ...]) -> tuple[int, ...]:
    return tuple(sorted({parse_duration_us(text) for text in texts}))


def label(window_us: int) -> str:
    """Window in hours as column names carry it.

    >>> label(7 * DAY_US)
    '168h'
    """
    return f"{window_us / HOUR_US:g}h"


def number(name: str, unit: str, about: str) -> Feature:
    """Return a numeric feature; its view is filled in by the dictionary."""
    return Feature(name, unit, about, "")


def category(name: str, about: str) -> Feature:
    """Return a categorical feature; its view is filled in by the dictionary."""
    return Feature(name, "", about, "", "category")
