"""Signals: what is watched of each sensor, taken from columns of the feature views, one row per (device_id, cutoff)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import pandas as pd

from aftercast.data.fleet import FleetSpec
from aftercast.features.scope import Scope, label
from aftercast.models.aliases import Floats, Mask
from aftercast.operations.errors import NotEnoughDataError

Quantity = Literal["mean", "std"]
SHARE: Final = "telemetry_share_"


@dataclass(frozen=True)
class Signal:
    """One quantity of one sensor in one window.

    Attributes
    ----------
    quantity
        "mean" is watched as it is, "std" by its logarithm: a doubled and a halved spread are equally far.
    window
        As feature names carry it, "24h".
    """

    sensor: str
    unit: str
    quantity: Quantity
    window: str

    @property
    def column(self) -> str:
        """Feature that holds it."""
        return f"{self.sensor}_{self.quantity}_{self.window}"


def signals_of(spec: FleetSpec) -> tuple[Signal, ...]:
    """Level and spread of each sensor that does not count up, in the shortest and the longest window."""
    scope = Scope(spec)
    windows = dict.fromkeys((scope.windows[0], scope.windows[-1]))
    quantities: tuple[Quantity, ...] = ("mean", "std")
    return tuple(
        Signal(sensor, scope.unit(sensor), quantity, label(window))
        for sensor in scope.levels
        for quantity in quantities
        for window in windows
    )


def signal_values(features: pd.DataFrame, signals: Sequence[Signal]) -> Floats:
    """Columns of the signals as they stand in the features, shape (n, k); NaN for missing.

    Raises
    ------
    NotEnoughDataError
        If there is no sensor to watch, or its column is not among the features.
    """
    if not signals:
        raise NotEnoughDataError(
            "The fleet spec names no sensor with a level, so there is no telemetry to watch.",
            "Add [[sensors]] to fleet.toml and import telemetry.",
        )
    absent = [signal.column for signal in signals if signal.column not in features.columns]
    if absent:
        raise NotEnoughDataError(
            f"{len(absent)} columns of telemetry are not among the features, first '{absent[0]}'.",
            "Build the features with the fleet spec that the anomaly view is fitted with.",
        )
    return np.column_stack([features[signal.column].to_numpy(dtype=np.float64) for signal in signals])


def dark(features: pd.DataFrame, stale_hours: float) -> Mask:
    """Whether the device had not reported for longer than ``stale_hours``, or never, shape (n,)."""
    return ~(features["telemetry_age_hours"].to_numpy(dtype=np.float64) <= stale_hours)


def watched(values: Floats, signals: Sequence[Signal], floors: Floats) -> Floats:
    """Values as they are compared, shape (n, k): logarithm of spreads, which count as ``floors`` (k,) where lower.

    The floor keeps a sensor that is stuck (spread zero) at a finite distance. A floor of NaN switches a signal off.
    """
    out = values.copy()
    for j, signal in enumerate(signals):
        if signal.quantity == "std":
            out[:, j] = np.log(np.maximum(values[:, j], floors[j]))
    return out


def half_filled(features: pd.DataFrame, signals: Sequence[Signal], minimum_share: float) -> Mask:
    """Windows that hold too few readings to be compared, shape (n, k).

    The share of usual reports in the shortest window says both: below ``minimum_share`` the shortest window is not
    filled; above its inverse the longest is not, because most of what it holds lies in the shortest.
    """
    names = [name for name in features.columns if name.startswith(SHARE)]
    mask = np.zeros((len(features), len(signals)), dtype=bool)
    if not names or minimum_share <= 0:
        return mask
    share = features[names[0]].to_numpy(dtype=np.float64)
    shortest = names[0].removeprefix(SHARE)
    for j, signal in enumerate(signals):
        mask[:, j] = share < minimum_share if signal.window == shortest else share > 1 / minimum_share
    return mask
