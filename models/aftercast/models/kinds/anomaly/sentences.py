"""What people read: which sensors deviate, from what, in units; and what is known of a silent device."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from aftercast.models.aliases import Floats, Mask
from aftercast.models.kinds.anomaly.signals import Signal
from aftercast.models.kinds.anomaly.standard import Deviations

Signals = tuple[Signal, ...]
SIDES: Final = ("past", "cohort")
FEW: Final = 0.5  # a smaller share of the usual reports is worth a word
_WINDOW: Final = re.compile(r"(\d+(?:\.\d+)?)h")


@dataclass(frozen=True)
class Deviating:
    """A sensor that deviates.

    Attributes
    ----------
    sensor, quantity, window, unit
        What was looked at: "mean" or "std" over the window.
    value
        As measured.
    deviation
        Signed robust deviation, on the scale of ``anomaly_score``.
    compared_with
        "past" or "cohort", whichever it deviates from more.
    sentence
        The same in words and units.
    """

    sensor: str
    quantity: str
    window: str
    unit: str
    value: float
    deviation: float
    compared_with: str
    sentence: str


def deviating(row: int, values: Floats, found: Deviations, threshold: float, signals: Signals) -> tuple[Deviating, ...]:
    """Sensors of a row whose deviation reaches the threshold, most unusual first; each by its most unusual signal."""
    out: dict[str, Deviating] = {}
    size = np.nan_to_num(found.size[row])
    for place in np.argsort(-np.abs(size), axis=None, kind="stable"):
        j, side = divmod(int(place), 2)
        signal, value = signals[j], float(values[row, j])
        usual = {
            "this device": (float(found.own[row, j]), float(found.own_scale[row, j])),
            "this model": (float(found.cohort[row, j]), float(found.cohort_scale[row, j])),
        }
        if signal.sensor not in out and abs(size[j, side]) >= threshold:
            about = (signal.sensor, signal.quantity, signal.window, signal.unit, value, float(size[j, side]))
            out[signal.sensor] = Deviating(*about, SIDES[side], _sentence(signal, value, usual))
    return tuple(out.values())


def _sentence(signal: Signal, value: float, usual: Mapping[str, tuple[float, float]]) -> str:
    sensor, window = signal.sensor.replace("_", " "), _WINDOW.sub(r"\1 h", signal.window)
    stuck = signal.quantity == "std" and value == 0
    noun, word = ("mean" if signal.quantity == "mean" else "spread"), ("usual spread" if stuck else "usual")
    measured = f"{sensor} {window} {noun} {digits(value)} {signal.unit}".rstrip()
    parts = [f"{sensor} did not change in {window}" if stuck else measured]
    for about, (centre, scale) in usual.items():
        if np.isfinite(centre) and np.isfinite(scale):
            parts.append(f"{word} for {about} {_span(signal, centre, scale)}")
    return ", ".join(parts)


def _span(signal: Signal, centre: float, scale: float) -> str:
    if signal.quantity == "mean" and centre == scale == 0:
        return "0"
    if signal.quantity == "mean":
        return f"{digits(centre)} ± {digits(scale)}"
    return f"{digits(np.exp(centre))} ({digits(np.exp(centre - scale))} to {digits(np.exp(centre + scale))})"


def silence_notices(features: pd.DataFrame, silent: Mask) -> list[list[str]]:
    """Notices about silence, one list per row."""
    age = features["telemetry_age_hours"].to_numpy(dtype=np.float64)
    shares = [name for name in features.columns if name.startswith("telemetry_share_")]
    share = features[shares[0]].to_numpy(dtype=np.float64) if shares else np.full(len(age), np.nan)
    window = _WINDOW.sub(r"\1 h", shares[0].removeprefix("telemetry_share_")) if shares else ""
    notices: list[list[str]] = [[] for _ in age]
    for row in np.flatnonzero(silent):
        notices[row].append(
            "it never reported" if np.isnan(age[row]) else f"silent: its last report is {age[row] / 24:.1f} days old"
        )
    for row in np.flatnonzero(~silent & (share < FEW)):
        notices[row].append(f"it sent {share[row]:.0%} of its usual reports in {window}")
    return notices


def digits(value: float) -> str:
    """Return a number with about three digits and no exponent.

    >>> digits(4080.0), digits(52.123), digits(-0.01234), digits(0.0)
    ('4,080', '52.1', '-0.0123', '0')
    """
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 0.001 else "0"
