"""Wear, hazards and failures of a device on a daily grid, with the exact truth.

For component c with last renewal r (a day) and residual wear w0, at day d >= r, with age a = d + 1/2 - r:

- wear w = min(w0 + rate * a, ceiling);
- hazard over [d, d+1) = (k/s) (a/s)^(k-1) exp(b_wear w + z + b_season sin(2 pi d / 365)), constant within the day,
  z = load, lot and generation effects; zero from the day after a failure until the repair (d < r).

Wear is deterministic given the state, so P(first failure in (T, T+h]) = 1 - exp(-sum of hazards), exact on the path
without failure; planned maintenance in the window is known and included. A proactive visit is not: it censors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from aftercast.data.simulator.config import COMPONENTS, FleetConfig
from aftercast.data.simulator.fleet import Device, Floats, generator

FAILURE, PREVENTIVE, TREATED, HOLDOUT = 0, 1, 2, 3
HORIZON_DAYS = (1, 7, 30)


@dataclass(frozen=True)
class DevicePath:
    """What happened to one device.

    Attributes
    ----------
    hazard, wear
        (days, C): hazard of the day under the state at its start; NaN outside service.
    cumulative
        (days, C, 3): hazard summed over the next 1, 7, 30 days from the day's start.
    events
        (m, 7): kind, time in days, component, wait in days, repeat (0 or 1), 30-day hazard with, without visit.
    """

    hazard: Floats
    wear: Floats
    cumulative: Floats
    events: Floats


@numba.njit(cache=True)
def _wear(day: int, renewed: float, residual: float, rate: float, ceiling: float) -> float:
    age = day + 0.5 - renewed
    return min(residual + rate * max(age, 0.0), ceiling)


@numba.njit(cache=True)
def _hazard(day: int, renewed: float, residual: float, rate: float, z: float, p: Floats, scale: float) -> float:  # noqa: PLR0917
    age = day + 0.5 - renewed
    if age < 0:
        return 0.0
    wear = min(residual + rate * age, p[0])
    season = p[3] * np.sin(2 * np.pi * day / 365)
    return p[2] / scale * (age / scale) ** (p[2] - 1) * np.exp(p[1] * wear + z + season)


@numba.njit(cache=True)
def _ahead(day, length, c, renewed, residual, rate, z, p, scale, plan):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202, PLR0917
    """Sum hazards over [day, day + length); maintenance beyond the plan's end is unknown and left out."""
    sums = np.zeros(3)
    total = 0.0
    for step in range(length):
        d = day + step
        total += _hazard(d, renewed, residual, rate, z, p, scale)
        if step == 0:
            sums[0] = total
        if step == 6:
            sums[1] = total
        if d < len(plan) and plan[d] == c and d >= renewed:
            renewed, residual = d + 1.0, 0.0
    sums[2] = total
    return sums


@numba.njit(cache=True)
def _walk(first, last, installed, rate, z, p, scales, plan, u, noise, waits):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202, PLR0917
    days, parts = u.shape[0], u.shape[1]
    hazard, wear = np.full((days, parts), np.nan), np.full((days, parts), np.nan)
    ahead = np.full((days, parts, 3), np.nan)
    events = np.empty((days * parts, 7))
    count = 0
    for c in range(parts):
        renewed, residual = installed, 0.0
        for d in range(first, last):
            h = _hazard(d, renewed, residual, rate[c], z[c], p, scales[c])
            w = _wear(d, renewed, residual, rate[c], p[0])
            hazard[d, c], wear[d, c] = h, w
            ahead[d, c] = _ahead(d, 30, c, renewed, residual, rate[c], z[c], p, scales[c], plan)
            gap = -np.log1p(-u[d, c, 0])
            if gap < h:
                repeat = u[d, c, 1] < p[4]
                wait = float(waits[d, c])
                events[count] = np.array(
                    [float(FAILURE), d + gap / h, float(c), wait, 1.0 if repeat else 0.0, 0.0, 0.0]
                )
                count += 1
                renewed, residual = d + wait + 1, p[5] * w if repeat else 0.0
            elif d < renewed:
                continue
            elif plan[d] == c:
                events[count] = np.array([float(PREVENTIVE), d + 0.4, float(c), 0.0, 0.0, 0.0, 0.0])
                count += 1
                renewed, residual = d + 1.0, 0.0
            elif u[d, c, 2] < p[6] and w + p[8] * noise[d, c] > p[7]:
                without = _ahead(d + 1, 30, c, renewed, residual, rate[c], z[c], p, scales[c], plan)[2]
                treated = _ahead(d + 1, 30, c, d + 1.0, p[9] * w, rate[c], z[c], p, scales[c], plan)[2]
                kind = HOLDOUT if u[d, c, 3] < p[10] else TREATED
                events[count] = np.array([float(kind), d + 0.999, float(c), 0.0, 0.0, treated, without])
                count += 1
                if kind == TREATED:
                    renewed, residual = d + 1.0, p[9] * w
    return hazard, wear, ahead, events[:count]


def exponent(device: Device, config: FleetConfig) -> Floats:
    """Return the fixed part of the hazard's exponent per component, shape (C,)."""
    z = np.full(len(COMPONENTS), config.load_effect * device.load + config.generation_effect * (device.generation == 3))
    z[0] += config.lot_effect * (device.lot == 7)
    return z


def walk(device: Device, days: int, seed: int, config: FleetConfig) -> DevicePath:
    """Draw the life of one device."""
    rng = generator(seed, 2, device.index)
    shape = (days, len(COMPONENTS))
    draws, noise = rng.random((*shape, 4)), rng.normal(size=shape)
    waits: npt.NDArray[np.int64] = 2 + rng.poisson(1.5 + device.region, shape)
    p = np.array(
        [
            config.wear_ceiling,
            config.wear_effect,
            config.weibull_shape,
            config.season_effect,
            config.repeat_share,
            config.repeat_residual,
            config.proactive_rate,
            config.proactive_threshold,
            config.proactive_noise,
            config.proactive_residual,
            config.holdout_share,
        ]
    )
    installed = float(max(device.install, -200))  # older devices were overhauled 200 days before the start
    scales = np.array(config.weibull_scale_days)
    return DevicePath(
        *_walk(
            device.first_day,
            device.retire,
            installed,
            device.wear_rate,
            exponent(device, config),
            p,
            scales,
            device.maintenance,
            draws,
            noise,
            waits,
        )
    )
