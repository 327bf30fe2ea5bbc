"""Customers: what makes them leave, by the amount written, and what they write about it."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from aftercast.data.arrays import Floats
from aftercast.data.simulator.config import FleetConfig, Run
from aftercast.data.simulator.customers import CustomerLife, Experience, live
from aftercast.data.simulator.fleet import chunks, customers_of, make_device

CONFIG = FleetConfig()
RUN = Run(240, 0, 6, CONFIG)


def life(experience: Experience, index: int = 0, owned: int = 1, run: Run = RUN) -> CustomerLife:
    devices = [make_device(k, index, run.days, run.seed, CONFIG) for k in range(owned)]
    return live(index, devices, experience, run)


def failure(day: int, wait: int = 0, *, repeat: bool = False) -> tuple[int, int, bool, str, str, int]:
    return day, wait, repeat, "pump", "D000000", 1


def raised(*experience: tuple[int, int, bool, str, str, int]) -> Floats:
    """Hazard with this experience over the same customer's without it, shape (days,)."""
    return np.asarray(life(list(experience)).hazard / life([]).hazard)


def test_a_failure_raises_the_hazard_from_the_next_day_for_ninety_days() -> None:
    ratio = raised(failure(100))
    assert ratio[:101] == pytest.approx(np.ones(101))
    assert ratio[101:191] == pytest.approx(np.full(90, math.exp(CONFIG.churn_failure_effect)))
    assert ratio[191:] == pytest.approx(np.ones(49))


def test_waiting_and_repeats_add_to_a_failure() -> None:
    plain, waited, again = (raised(failure(100, *what))[120] for what in ((0,), (4,), (0,)))
    again = raised(failure(100, repeat=True))[120]
    assert waited / plain == pytest.approx(math.exp(4 * CONFIG.churn_wait_effect))
    assert again / plain == pytest.approx(math.exp(CONFIG.churn_repeat_effect))


def test_experience_is_capped() -> None:
    many = [failure(100, 9, repeat=True) for _ in range(20)]
    assert life(many).hazard[120] == pytest.approx(
        life([]).hazard[120] * math.exp(CONFIG.churn_power_ceiling - tenure_power())
    )


def tenure_power() -> float:
    """Exponent that tenure gives customer 0 on day 120, found from a world without that effect."""
    without = replace(RUN, config=replace(CONFIG, churn_tenure_effect=0.0))
    return math.log(life([]).hazard[120] / life([], run=without).hazard[120])


def test_the_price_event_raises_the_hazard_for_thirty_days() -> None:
    hazard, first = life([]).hazard, CONFIG.price_day
    month = hazard[first : first + 30]
    assert month[0] / hazard[first - 1] == pytest.approx(math.exp(CONFIG.churn_price_effect), rel=2e-3)
    assert hazard[first + 29] / hazard[first + 30] == pytest.approx(math.exp(CONFIG.churn_price_effect), rel=2e-3)
    assert month.min() > 2 * np.delete(hazard, np.arange(first, first + 30)).max()


def test_older_customers_and_large_ones_leave_less() -> None:
    assert (np.diff(life([]).hazard[90:]) < 0).all()
    large, small = (np.mean([life([], k, owned).hazard[100] for k in range(60)]) for owned in (4, 1))
    assert large < 0.7 * small


def test_a_customer_who_left_writes_and_buys_no_more() -> None:
    run = replace(RUN, config=replace(CONFIG, churn_base=0.01))
    gone = [life([failure(30, 3), failure(200, 3)], k, 4, run) for k in range(40)]
    for one in gone:
        last = one.left * 86_400_000_000
        for table in ("contacts", "purchases"):
            assert all(row["event_time"] < last for row in one.rows[table])
        versions = one.rows["customers"]
        assert len(versions) == (2 if one.left < run.days else 1)
        if one.left < run.days:
            assert last <= versions[1]["left_at"] < last + 86_400_000_000
            assert versions[1]["available_at"] > versions[1]["left_at"]
    assert sum(one.left < run.days for one in gone) > 20


def test_repeats_bring_complaints_and_waiting_bad_marks() -> None:
    stay = replace(RUN, config=replace(CONFIG, churn_base=0.0))
    kinds: dict[str, Counter[str]] = {}
    marks: dict[str, list[float]] = {}
    for name, what in (
        ("short", failure(100, 2)),
        ("long", failure(100, 8)),
        ("again", failure(100, 2, repeat=True)),
    ):
        rows = [row for k in range(200) for row in life([what], k, run=stay).rows["contacts"]]
        kinds[name] = Counter(row["kind"] for row in rows)
        marks[name] = [row["csat"] for row in rows if row["kind"] == "survey"]
    assert kinds["again"]["complaint"] == 200
    assert kinds["long"]["complaint"] > 2 * kinds["short"]["complaint"] > 0
    assert all(found["repair_request"] == 200 for found in kinds.values())
    assert np.mean(marks["long"]) < np.mean(marks["short"]) - 1


def test_no_customer_lies_in_two_chunks_and_every_device_in_one() -> None:
    customers = customers_of(1003, 2)
    spans = list(chunks(customers, 100))
    owners = [set(customers[span.start : span.stop]) for span in spans]
    assert [k for span in spans for k in span] == list(range(1003))
    assert sum(map(len, owners)) == len(set(customers))
    assert all(100 <= len(span) <= 103 for span in spans[:-1])


def test_most_customers_own_one_device_and_none_more_than_four() -> None:
    owned = Counter(Counter(customers_of(20_000, 2).tolist()).values())
    total = sum(owned.values())
    assert set(owned) <= {1, 2, 3, 4}
    assert owned[1] / total == pytest.approx(0.70, abs=0.02)
    assert owned[4] / total == pytest.approx(0.06, abs=0.01)
