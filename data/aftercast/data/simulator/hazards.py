"""Wear, hazards and failures of a device on a daily grid, with the exact truth.

For component c with last renewal r (a day) and residual wear w0, at day d >= r, with age a = d + 1/2 - r:

- wear w = min(w0 + rate * a, ceiling);
- hazard over [d, d+1) = (k/s) (a/s)^(k-1) exp(b_wear (1 + b_strain load) max(w - onset, 0) + z
  + b_season sin(2 pi d / 365)), constant within the day; z = b_load load + b_lot [bad lot] + b_generation [newest];
  zero from the day after a failure until the repair (d < r).

Wear is deterministic given the state, so P(first failure in (T, T+h]) = 1 - exp(-sum of hazards), exact on the path
without failure; planned maintenance in the window is known and included. A proactive visit is not: it censors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numba
import numpy as np

from aftercast.data.arrays import Floats, Ints
from aftercast.data.simulator.config import COMPONENTS, FleetConfig, Run
from aftercast.data.simulator.fleet import Device, generator

FAILURE, PREVENTIVE, TREATED, HOLDOUT = 0, 1, 2, 3


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


class Law(NamedTuple):
    """What is the same for every component; see `FleetConfig`. The kernels read it by name."""

    wear_ceiling: float
    wear_onset: float
    weibull_shape: float
    season_effect: float
    repeat_share: float
    repeat_residual: float
    proactive_rate: float
    proactive_threshold: float
    proactive_noise: float
    proactive_residual: float
    holdout_share: float


class Part(NamedTuple):
    """One component of one device: number, wear per day, fixed exponent, effect of wear, Weibull scale in days."""

    number: int
    rate: float
    exponent: float
    wear_effect: float
    scale: float


class State(NamedTuple):
    """When a component was last renewed (day; may lie ahead while a repair is waited for) and the wear left then."""

    renewed: float
    residual: float


class Draws(NamedTuple):
    """Random numbers of one component by day: uniform (days, 4), normal (days,), days waited for a repair (days,)."""

    uniform: Floats
    noise: Floats
    wait: Ints


Event = tuple[float, float, float, float, float, float, float]


@numba.njit(cache=True)
def _wear(day: int, state: State, part: Part, law: Law) -> float:
    age = day + 0.5 - state.renewed
    return min(state.residual + part.rate * max(age, 0.0), law.wear_ceiling)


@numba.njit(cache=True)
def _hazard(day: int, state: State, part: Part, law: Law) -> float:
    age = day + 0.5 - state.renewed
    if age < 0:
        return 0.0
    shape, season = law.weibull_shape, law.season_effect * np.sin(2 * np.pi * day / 365)
    danger = max(_wear(day, state, part, law) - law.wear_onset, 0.0)
    power = part.wear_effect * danger + part.exponent + season
    return shape / part.scale * (age / part.scale) ** (shape - 1) * np.exp(power)


@numba.njit(cache=True)
def _ahead(day: int, state: State, part: Part, law: Law, plan: Ints) -> Floats:
    """Sum hazards over [day, day + 1, 7, 30); maintenance beyond the plan's end is unknown and left out."""
    sums = np.zeros(3)
    total = 0.0
    for step in range(30):
        d = day + step
        total += _hazard(d, state, part, law)
        if step == 0:
            sums[0] = total
        if step == 6:
            sums[1] = total
        if d < len(plan) and plan[d] == part.number and d >= state.renewed:
            state = State(d + 1.0, 0.0)
    sums[2] = total
    return sums


@numba.njit(cache=True)
def _visit(day: int, share: float, wear: float, state: State, now: tuple[Part, Law, Ints]) -> tuple[Event, State]:
    """Event and state after a proactive case was triggered: a visit, or none where the case is held out."""
    part, law, plan = now
    visited = State(day + 1.0, law.proactive_residual * wear)
    without = _ahead(day + 1, state, part, law, plan)[2]
    treated = _ahead(day + 1, visited, part, law, plan)[2]
    held = share < law.holdout_share
    event = (float(HOLDOUT if held else TREATED), day + 0.999, float(part.number), 0.0, 0.0, treated, without)
    return event, state if held else visited


@numba.njit(cache=True)
def _day(day: int, state: State, now: tuple[Part, Law, Ints], draws: Draws) -> tuple[Event, State]:
    """What happens to a component on one day (kind -1 for nothing) and its state after it."""
    part, law, plan = now
    number, chance = float(part.number), draws.uniform[day]
    hazard, wear = _hazard(day, state, part, law), _wear(day, state, part, law)
    gap = -np.log1p(-chance[0])
    if gap < hazard:
        repeat, wait = chance[1] < law.repeat_share, float(draws.wait[day])
        after = State(day + wait + 1, law.repeat_residual * wear if repeat else 0.0)
        return (float(FAILURE), day + gap / hazard, number, wait, 1.0 if repeat else 0.0, 0.0, 0.0), after
    if day >= state.renewed:
        if plan[day] == part.number:
            return (float(PREVENTIVE), day + 0.4, number, 0.0, 0.0, 0.0, 0.0), State(day + 1.0, 0.0)
        seen = wear + law.proactive_noise * draws.noise[day]
        if chance[2] < law.proactive_rate and seen > law.proactive_threshold:
            return _visit(day, chance[3], wear, state, now)
    return (-1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0), state


@numba.njit(cache=True)
def _walk(
    span: tuple[int, int], state: State, now: tuple[Part, Law, Ints], draws: Draws
) -> tuple[Floats, Floats, Floats, Floats]:
    """Hazard, wear, sums ahead and events of one component from its first day to before its last."""
    part, law, plan = now
    days = len(plan)
    hazard, wear = np.full(days, np.nan), np.full(days, np.nan)
    ahead, events = np.full((days, 3), np.nan), np.empty((days, 7))
    count = 0
    for day in range(span[0], span[1]):
        hazard[day], wear[day] = _hazard(day, state, part, law), _wear(day, state, part, law)
        ahead[day] = _ahead(day, state, part, law, plan)
        event, state = _day(day, state, now, draws)
        if event[0] >= 0:
            events[count] = np.array(event)
            count += 1
    return hazard, wear, ahead, events[:count]


def exponent(device: Device, config: FleetConfig) -> Floats:
    """Return the fixed part of the hazard's exponent per component, shape (C,)."""
    z = np.full(len(COMPONENTS), config.load_effect * device.load + config.generation_effect * (device.generation == 3))
    z[0] += config.lot_effect * (device.lot == 7)
    return z


def walk(device: Device, run: Run) -> DevicePath:
    """Draw the life of one device."""
    rng, config = generator(run.seed, 2, device.index), run.config
    shape = (run.days, len(COMPONENTS))
    uniform, noise = rng.random((*shape, 4)), rng.normal(size=shape)
    waits: Ints = 2 + rng.poisson(1.5 + device.region, shape)
    law = Law(**{name: getattr(config, name) for name in Law._fields})
    fixed, paths = exponent(device, config), []
    wear_effect = config.wear_effect * (1 + config.strain_effect * device.load)
    for c, scale in enumerate(config.weibull_scale_days):
        part = Part(c, float(device.wear_rate[c]), float(fixed[c]), wear_effect, scale)
        draws = Draws(uniform[:, c], noise[:, c], waits[:, c])
        state = State(float(device.renewed[c]), 0.0)
        paths.append(_walk((device.first_day, device.retire), state, (part, law, device.maintenance), draws))
    hazard, wear, ahead, events = zip(*paths, strict=True)
    return DevicePath(np.stack(hazard, 1), np.stack(wear, 1), np.stack(ahead, 1), np.concatenate(events))
