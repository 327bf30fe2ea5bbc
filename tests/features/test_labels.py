"""Labels look at (T, T + h], never past the end of observation, and call nothing healthy that was not followed."""

# ruff: noqa: PLR0917 - fixtures and drawn values are passed by name

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aftercast.data.fleet import ChurnSettings, Component, FleetSpec, TableSettings
from aftercast.features.examples import Examples
from aftercast.features.labels import Labels, Outcome, churn_labels, failure_labels, load_outcome
from aftercast.operations.clocks import DAY_US, HOUR_US, NEVER, timestamp_us
from aftercast.operations.errors import LookAheadError

Frame = Callable[..., pd.DataFrame]
Ask = Callable[..., Labels]
FAILURE = "device_id event_time component"
ORDER = "work_order_id device_id opened_at kind component outcome"
DEVICE = "device_id device_model installed_at retired_at available_at"


@pytest.fixture
def ask(spec: FleetSpec, devices: Any, at: Any) -> Ask:
    """Labels of device d at a cutoff, all times in hours."""

    def make(frames: dict[str, pd.DataFrame], cutoff: float, until: float, known: float | None = None) -> Labels:
        known_at = None if known is None else at(known)
        outcome = Outcome.from_frames(spec, {"devices": devices("d")} | frames, known_at=known_at)
        examples = Examples.of(["d"], [timestamp_us(at(cutoff))])
        return failure_labels(outcome, examples, observed_until=at(until))

    return make


def hours(values: Any) -> list[float | None]:
    return [None if value == NEVER else value / HOUR_US for value in values[0]]


def test_time_to_event_counts_from_the_cutoff_to_the_next_failure(ask: Ask, frame: Frame) -> None:
    failures = frame(FAILURE, [("d", 3, "pump"), ("d", 15, "pump"), ("d", 40, "pump"), ("d", 12, "frame")])
    labels = ask({"failures": failures}, 10, 100)
    assert labels.components == ("pump", "frame")
    assert hours(labels.time_to_event_us) == [5.0, 2.0]
    assert hours(labels.follow_up_us) == [90.0, 90.0]


def test_a_failure_exactly_at_the_cutoff_is_history_not_label(ask: Ask, frame: Frame) -> None:
    failures = {"failures": frame(FAILURE, [("d", 10, "pump")])}
    assert hours(ask(failures, 10, 100).time_to_event_us) == [None, None]
    assert hours(ask(failures, 9, 100).time_to_event_us) == [1.0, None]


def test_a_failure_at_the_end_of_observation_counts_and_one_after_it_does_not(ask: Ask, frame: Frame) -> None:
    failures = {"failures": frame(FAILURE, [("d", 30, "pump")])}
    assert hours(ask(failures, 10, 30).time_to_event_us) == [20.0, None]
    assert hours(ask(failures, 10, 29).time_to_event_us) == [None, None]
    assert hours(ask(failures, 10, 29).follow_up_us) == [19.0, 19.0]


@pytest.mark.parametrize("until", [10, 9])
def test_a_cutoff_at_or_after_the_end_of_observation_is_refused(ask: Ask, until: int) -> None:
    with pytest.raises(LookAheadError, match="1 of 1 cutoffs"):
        ask({}, 10, until)


def test_a_device_retired_by_its_failure_failed(ask: Ask, frame: Frame) -> None:
    devices = frame(DEVICE, [("d", "M1", -10, 30, -10)])
    labels = ask({"devices": devices, "failures": frame(FAILURE, [("d", 30, "pump")])}, 10, 100)
    assert hours(labels.time_to_event_us) == [20.0, None]
    assert hours(labels.follow_up_us) == [20.0, 20.0]


def test_a_device_retired_before_the_cutoff_without_our_knowing_teaches_nothing(ask: Ask, frame: Frame) -> None:
    devices = frame(DEVICE, [("d", "M1", -10, None, -10), ("d", "M1", -10, 8, 50)])
    labels = ask({"devices": devices, "failures": frame(FAILURE, [("d", 12, "pump")])}, 10, 100)
    assert labels.valid.tolist() == [False]
    assert hours(labels.time_to_event_us) == [None, None]
    assert not labels.known_within(HOUR_US).any()


def test_a_proactive_visit_ends_the_follow_up_of_its_component_only(ask: Ask, frame: Frame) -> None:
    repairs = frame(ORDER, [("w", "d", 20, "proactive", "pump", "replaced")])
    failures = frame(FAILURE, [("d", 30, "pump"), ("d", 30, "frame")])
    labels = ask({"repairs": repairs, "failures": failures}, 10, 100)
    assert hours(labels.follow_up_us) == [10.0, 90.0]
    assert hours(labels.time_to_event_us) == [None, 20.0]


def test_a_proactive_visit_without_component_censors_all_and_a_preventive_one_none(ask: Ask, frame: Frame) -> None:
    proactive = frame(ORDER, [("w", "d", 20, "proactive", None, None)])
    preventive = frame(ORDER, [("w", "d", 20, "preventive", "pump", None)])
    assert hours(ask({"repairs": proactive}, 10, 100).follow_up_us) == [10.0, 10.0]
    assert hours(ask({"repairs": preventive}, 10, 100).follow_up_us) == [90.0, 90.0]


def test_a_failure_reported_after_the_training_moment_is_no_label_then(ask: Ask, frame: Frame) -> None:
    failures = {"failures": frame(FAILURE + " available_at", [("d", 20, "pump", 60)])}
    assert hours(ask(failures, 10, 50, known=50).time_to_event_us) == [None, None]
    assert hours(ask(failures, 10, 60, known=60).time_to_event_us) == [10.0, None]


def test_a_visit_without_fault_is_no_failure_where_repairs_say_what_failed(
    spec: FleetSpec, frame: Frame, devices: Any, at: Any
) -> None:
    orders = [("w", "d", 20, "corrective", "pump", "no_fault_found"), ("v", "d", 25, "corrective", "pump", None)]
    frames = {"devices": devices("d"), "repairs": frame(ORDER, orders)}
    outcome = Outcome.from_frames(spec.model_copy(update={"failures_from": "repairs"}), frames)
    labels = failure_labels(outcome, Examples.of(["d"], [timestamp_us(at(10))]), observed_until=at(100))
    assert hours(labels.time_to_event_us) == [15.0, None]


def test_an_interval_is_open_at_its_start_and_closed_at_its_end(ask: Ask, frame: Frame) -> None:
    labels = ask({"failures": frame(FAILURE, [("d", 15, "pump")])}, 10, 20)
    assert labels.event_within(4 * HOUR_US, 5 * HOUR_US).tolist() == [[True, False]]
    assert labels.event_within(5 * HOUR_US, 9 * HOUR_US).tolist() == [[False, False]]
    assert labels.known_within(10 * HOUR_US).tolist() == [[True, True]]
    assert labels.known_within(11 * HOUR_US).tolist() == [[True, False]]


moments = st.integers(0, 100)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    failures=st.lists(st.tuples(st.sampled_from("ab"), moments, st.sampled_from(["pump", "frame"])), max_size=12),
    cutoffs=st.lists(moments, min_size=1, max_size=10, unique=True),
    until=st.integers(1, 120),
    retired=st.one_of(st.none(), moments),
)
def test_no_label_window_crosses_the_end_of_observation(
    spec: FleetSpec, frame: Frame, at: Any, failures: Any, cutoffs: Any, until: int, retired: int | None
) -> None:
    devices = frame(DEVICE, [(i, "M1", -10, retired, -10) for i in "ab"])
    outcome = Outcome.from_frames(spec, {"devices": devices, "failures": frame(FAILURE, failures)})
    before = [timestamp_us(at(c)) for c in cutoffs if c < until]
    examples = Examples.of(np.repeat(["a", "b"], len(before)), before * 2)
    labels = failure_labels(outcome, examples, observed_until=at(until))
    seen = labels.time_to_event_us != NEVER
    end = timestamp_us(at(until))
    assert (labels.time_to_event_us > 0).all()
    assert (examples.cutoff_us[:, None] + labels.follow_up_us <= end).all()
    assert (labels.time_to_event_us[seen] <= labels.follow_up_us[seen]).all()
    happened = {(i, timestamp_us(at(e)), c) for i, e, c in failures}
    for row, column in np.argwhere(seen):
        moment = int(examples.cutoff_us[row] + labels.time_to_event_us[row, column])
        assert (str(examples.ids[row]), moment, labels.components[column]) in happened


@pytest.fixture
def leaving(spec: FleetSpec, at: Any) -> Ask:
    """Churn labels of customer c at cutoffs in days."""

    def make(frames: dict[str, pd.DataFrame], cutoffs: list[float], until: float, rule: str) -> Labels:
        churn = ChurnSettings(rule=rule, inactivity="10d")  # type: ignore[arg-type]
        outcome = Outcome.from_frames(spec.model_copy(update={"churn": churn}), frames)
        days = [timestamp_us(at(24 * day)) for day in cutoffs]
        examples = Examples.of(["c"] * len(days), days, "customer_id")
        return churn_labels(outcome, examples, observed_until=at(24 * until))

    return make


def days(values: Any) -> list[float | None]:
    return [None if value == NEVER else value / DAY_US for value in values[:, 0]]


def test_leaving_is_dated_by_the_last_known_version_of_the_customer(leaving: Ask, frame: Frame) -> None:
    versions = [("c", 0, None, 0), ("c", 0, 24 * 8, 24 * 9)]
    labels = leaving({"customers": frame("customer_id since left_at available_at", versions)}, [5, 8], 30, "left_at")
    assert labels.components == ("left",)
    assert days(labels.time_to_event_us) == [3.0, None]
    assert labels.valid.tolist() == [True, False]


def test_inactivity_dates_leaving_that_long_after_the_last_purchase(leaving: Ask, frame: Frame) -> None:
    customers = frame("customer_id since", [("c", 0)])
    purchases = frame("customer_id event_time amount", [("c", 24 * 4, 1.0), ("c", 24 * 13, 1.0), ("c", 24 * 40, 1.0)])
    labels = leaving({"customers": customers, "purchases": purchases}, [5, 20, 24, 41], 45, "inactivity")
    assert days(labels.time_to_event_us) == [18.0, 3.0, None, None]
    assert labels.valid.tolist() == [True, True, False, True]
    assert days(labels.follow_up_us)[3] == 4.0


class Shelf:
    """Frames by table, as a store hands them out; remembers which were read."""

    def __init__(self, frames: Mapping[str, pd.DataFrame]) -> None:
        self.frames, self.read_tables = frames, set[str]()
        self.ends: dict[str, pd.Timestamp] = {}

    def version(self) -> int:
        return 1

    def followed(self, version: int | None = None) -> dict[str, pd.Timestamp]:  # noqa: ARG002 - as a store answers
        return dict(self.ends)

    def declared(self, version: int | None = None) -> dict[str, pd.Timestamp]:  # noqa: ARG002 - as a store answers
        return {}

    def read(self, table: str, **_: object) -> pd.DataFrame:
        self.read_tables.add(table)
        return self.frames[table] if table in self.frames else pd.DataFrame()


def test_labels_read_only_the_tables_of_their_kind(spec: FleetSpec, frame: Any, devices: Any, at: Any) -> None:
    frames: dict[str, pd.DataFrame] = {"devices": devices("d"), "customers": frame("customer_id since", [("c", -500)])}
    shelf = Shelf(frames)
    asked = Examples.of(["d"], [timestamp_us(at(0))])
    assert failure_labels(load_outcome(shelf, spec), asked, observed_until=at(24)).valid.tolist() == [True]
    assert shelf.read_tables == {"devices", "failures", "repairs"}
    shelf = Shelf(frames)
    asked = Examples.of(["c"], [timestamp_us(at(0))], "customer_id")
    assert churn_labels(load_outcome(shelf, spec), asked, observed_until=at(24)).valid.tolist() == [True]
    assert shelf.read_tables == {"contacts", "customers", "purchases"}


@pytest.mark.parametrize("source", ["failures", "repairs"])
def test_time_that_the_table_of_failures_does_not_cover_is_censored_and_never_healthy(
    devices: Any, at: Any, source: Any
) -> None:
    spec = FleetSpec(name="f", components=(Component(name="pump"),), failures_from=source)
    outcome = Outcome.from_frames(spec, {"devices": devices("d")}, followed={source: at(30), "telemetry": at(100)})
    examples = Examples.of(["d"] * 2, [timestamp_us(at(20)), timestamp_us(at(40))])
    labels = failure_labels(outcome, examples, observed_until=at(100))
    assert labels.known_within(10 * HOUR_US)[:, 0].tolist() == [True, False]
    assert labels.known_within(11 * HOUR_US)[:, 0].tolist() == [False, False]
    assert labels.valid.tolist() == [True, False]


def test_how_far_a_table_was_followed_is_read_from_what_was_known_then(frame: Frame, devices: Any, at: Any) -> None:
    spec = FleetSpec(name="f", components=(Component(name="pump"),))
    failures = frame(FAILURE, [("d", 10, "pump"), ("d", 50, "pump")])
    frames = {"devices": devices("d"), "failures": failures}
    examples = Examples.of(["d"], [timestamp_us(at(15))])
    whole = Outcome.from_frames(spec, frames, followed={"failures": at(50)})
    assert failure_labels(whole, examples, observed_until=at(100)).follow_up_us[0, 0] == 35 * HOUR_US
    assert failure_labels(whole.known_at(at(20)), examples, observed_until=at(20)).follow_up_us[0, 0] == 0


@pytest.mark.parametrize(("rule", "table"), [("left_at", "customers"), ("inactivity", "purchases")])
def test_a_customer_is_followed_as_far_as_the_table_that_would_tell(frame: Any, at: Any, rule: Any, table: str) -> None:
    spec = FleetSpec(name="f", churn=ChurnSettings(rule=rule, inactivity="400d"))
    customers = frame("customer_id since", [("c", -500), ("z", 30)])
    outcome = Outcome.from_frames(spec, {"customers": customers}, followed={table: at(30)})
    examples = Examples.of(["c"] * 2, [timestamp_us(at(20)), timestamp_us(at(40))], "customer_id")
    assert churn_labels(outcome, examples, observed_until=at(100)).follow_up_us[:, 0].tolist() == [10 * HOUR_US, 0]


@pytest.mark.parametrize(("said", "until"), [("", 30), ("2024-01-03T00:00", 48), ("observed", None)])
def test_the_fleet_spec_may_say_until_when_a_table_tells_everything(said: str, until: int | None, at: Any) -> None:
    spec = FleetSpec(name="f", tables={"failures": TableSettings(followed_until=said)})
    shelf = Shelf({})
    shelf.ends = {"failures": at(30)}
    expected = {} if until is None else {"failures": at(until)}
    assert load_outcome(shelf, spec).followed == expected
