"""Customers: who they are, what they buy and write, and when they leave.

Daily hazard of leaving: base x segment x exp(a failures in 90 d + b repeats in 90 d + c days waited in 90 d + d in the
30 days after the price event + e years since), constant within the day; the sum without the price event is capped.
P(T, H) in the truth freezes the hazard at T: 1 - exp(-hazard(T) H).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aftercast.data.arrays import Floats
from aftercast.data.simulator.config import COMPONENTS, REGIONS, Run
from aftercast.data.simulator.fleet import Device, generator
from aftercast.data.simulator.texts import Topic, write_text
from aftercast.data.simulator.write import Row
from aftercast.operations.clocks import DAY_US, HOUR_US

SEGMENTS = {"consumer": 1.5, "professional": 0.7, "enterprise": 0.3}
Experience = list[tuple[int, int, bool, str, str, int]]
"""Day, wait in days, repeat, component, device_id, outlet of each failure."""
Contact = tuple[int, str, int, str, str | None, int]
"""Day, kind, wait in days, component, device_id or None, outlet."""


@dataclass(frozen=True)
class CustomerLife:
    """Name and rows of a customer, the daily hazard of leaving (days,) and the day they left (`days` where never)."""

    name: str
    rows: dict[str, list[Row]]
    hazard: Floats
    left: int


def live(index: int, devices: Sequence[Device], experience: Experience, run: Run) -> CustomerLife:
    """Draw one customer with these devices and this experience."""
    rng, days, start_us, owned = generator(run.seed, 7, index), run.days, run.start_us, len(devices)
    segment = "enterprise" if owned > 2 else ("consumer", "professional")[int(rng.random() < 0.3)]
    since = min(-1, *(device.install for device in devices)) - int(rng.integers(1300))
    language = "zh" if rng.random() < 0.4 else "en"
    hazard = _hazard(since, segment, experience, run)
    gaps = -np.log1p(-rng.random(days))
    gone = np.flatnonzero(gaps < hazard)
    left = int(gone[0]) if len(gone) else days
    name, rows = f"C{index:06d}", defaultdict[str, list[Row]](list)
    first: Row = {
        "customer_id": name,
        "segment": segment,
        "region": REGIONS[devices[0].region],
        "since": start_us + since * DAY_US,
        "channel": ("shop", "web", "dealer")[int(rng.integers(3))],
        "language": language,
        "consent_contact": bool(rng.random() < 0.8),
        "consent_training": bool(rng.random() < 0.9),
        "available_at": start_us + since * DAY_US,
    }
    rows["customers"].append(first)
    if left < days:
        at = start_us + int((left + gaps[left] / hazard[left]) * DAY_US)
        rows["customers"].append(first | {"left_at": at, "available_at": at + int(rng.integers(1, 15)) * DAY_US})
    planned = _plan(experience, left, rng)
    for number, contact in enumerate(planned):
        row = _contact(contact, language, start_us, rng)
        if contact[0] < left:
            rows["contacts"].append({"contact_id": f"K-{name}-{number:04d}", "customer_id": name} | row)
    for day in np.flatnonzero(rng.random(left) < 0.012 * owned):
        at = start_us + int(day) * DAY_US + int(rng.integers(DAY_US))
        rows["purchases"].append(
            {"customer_id": name, "event_time": at, "amount": float(rng.gamma(3, 30)), "available_at": at}
        )
    return CustomerLife(name, rows, hazard, left)


def _hazard(since: int, segment: str, experience: Experience, run: Run) -> Floats:
    day, config = np.arange(run.days), run.config
    power = config.churn_tenure_effect * (day - since) / 365
    for at, wait, repeat, *_ in experience:
        recent = (day > at) & (day <= at + 90)
        power = power + recent * (
            config.churn_failure_effect + config.churn_repeat_effect * repeat + config.churn_wait_effect * wait
        )
    phase = (day - config.price_day) % 365
    return (
        config.churn_base
        * SEGMENTS[segment]
        * np.exp(np.minimum(power, config.churn_power_ceiling) + config.churn_price_effect * (phase < 30))
    )


def _plan(experience: Experience, left: int, rng: np.random.Generator) -> list[Contact]:
    """Contacts that follow from failures, then questions out of the blue."""
    planned: list[Contact] = []
    for day, wait, repeat, part, device, outlet in sorted(experience):
        planned.append((day + 1, "repair_request", wait, part, device, outlet))
        if repeat or rng.random() < 0.05 * wait:
            planned.append((day + wait + 2, "complaint", wait, part, device, outlet))
        if rng.random() < 0.4:
            planned.append((day + wait + 5, "survey", wait, part, device, outlet))
    asked = np.flatnonzero(rng.random(left) < 0.004)
    return planned + [(int(day), "question", 1, COMPONENTS[int(rng.integers(4))], None, 0) for day in asked]


def _contact(contact: Contact, language: str, start_us: int, rng: np.random.Generator) -> Row:
    day, kind, wait, part, device, outlet = contact
    mark = float(np.clip(round(rng.normal(4.6 - 0.3 * wait)), 1, 5))
    text = write_text(rng, kind, language, Topic(part, f"O{outlet:02d}", wait))
    at = start_us + day * DAY_US + int(rng.integers(8, 20)) * HOUR_US
    row: Row = {
        "device_id": device,
        "event_time": at,
        "channel": ("phone", "chat", "email")[int(rng.integers(3))],
        "kind": kind,
        "text": text,
        "first_response_minutes": float(rng.gamma(2, 20 * wait)),
        "resolution_hours": float(rng.gamma(2, 12 * wait)),
        "language": language,
        "available_at": at + HOUR_US,
    }
    scores = {"csat": mark, "nps": float(np.clip(2 * mark + round(rng.normal(0, 1)), 0, 10))}
    return row | (scores if kind == "survey" else {})
