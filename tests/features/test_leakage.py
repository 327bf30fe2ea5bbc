"""Planted leaks are found by the name of the feature and the kind of leak; honest views and columns raise none."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pytest

from aftercast.data.fleet import FleetSpec
from aftercast.features import views
from aftercast.features.customer_history import CustomerHistory
from aftercast.features.dictionary import discovered_views
from aftercast.features.examples import Examples, customer_examples, device_examples
from aftercast.features.history import History
from aftercast.features.labels import Labels
from aftercast.features.replay import LeakageReport, lint_clocks, lint_replay
from aftercast.models.leakage import lint_columns
from aftercast.operations.clocks import DAY_US, NEVER, from_us, timestamp_us
from aftercast.operations.errors import InputError

Frame = Callable[..., pd.DataFrame]
Plug = Callable[..., None]
PLANTED: Final = "planted_quantity"
VIEW: Final = """
import numpy as np
from aftercast.operations.clocks import DAY_US, HOUR_US, NEVER
from aftercast.features.scope import number
from aftercast.features.view import FeatureView

def columns(context):
    history, cutoffs = context.history, context.cutoffs
    owner = np.repeat(np.arange(len(context.offsets) - 1), np.diff(context.offsets))
    {body}
    values = np.array([value(d, t) for d, t in zip(owner, cutoffs)], dtype=float).reshape(-1)
    yield number("planted_quantity", "", "planted"), values

VIEW = FeatureView("planted_view", "device_id", columns)
"""


CUSTOMER: Final = VIEW.replace('"device_id"', '"customer_id"')


def body(*lines: str) -> str:
    return "\n    ".join(lines)


PEEK: Final = body(
    "failures = history.failures",
    "ahead = lambda t: (failures.event_us > t) & (failures.event_us <= t + 7 * DAY_US)",
    "value = lambda d, t: ((failures.owner == d) & ahead(t)).sum()",
)
LATE: Final = body(
    "faults = history.faults",
    "value = lambda d, t: ((faults.owner == d) & (faults.event_us <= t)).sum()",
)
EDGE: Final = body(
    "faults = history.faults",
    "value = lambda d, t: ((faults.owner == d) & (faults.visible.since <= t + 1_000_000)).sum()",
)
WHOLE_LIFE: Final = body(
    "telemetry = history.telemetry",
    "value = lambda d, t: telemetry.columns['volt'][telemetry.owner == d].max(initial=-np.inf) if "
    "(telemetry.owner == d).any() else np.nan",
)
LAST_SEEN: Final = body(
    "telemetry = history.telemetry",
    "value = lambda d, t: (telemetry.event_us[telemetry.owner == d].max(initial=t) - t) / HOUR_US",
)
BACK_FILL: Final = body(
    "repairs = history.repairs",
    "value = lambda d, t: next((e for e, o in zip(repairs.event_us, repairs.owner) if o == d and e > t), 0) / HOUR_US",
)
RETIREMENT: Final = body(
    "retired, owners = history.devices.columns['retired_at'], history.devices.owner",
    "value = lambda d, t: float((retired[owners == d] != NEVER).any())",
)


@pytest.fixture
def plug(tmp_path: Path) -> Iterator[Plug]:
    """Return a function that adds a view the way people do: a file where views are looked for."""
    views.__path__.append(str(tmp_path))

    def add(text: str, view: str = VIEW) -> None:
        (tmp_path / "planted_view.py").write_text(view.format(body=text))
        discovered_views.cache_clear()

    yield add
    views.__path__.remove(str(tmp_path))
    sys.modules.pop(f"{views.__name__}.planted_view", None)
    discovered_views.cache_clear()


@pytest.fixture(scope="module")
def frames(frame: Frame, devices: Any) -> dict[str, pd.DataFrame]:
    """Six devices of one customer over 20 days, events after every cutoff used here."""
    chance = np.random.default_rng(0)
    ids = "abcdef"
    readings = [(d, h, float(chance.normal()), float(h)) for d in ids for h in range(0, 480, 6)]
    faults = [(d, h, h + 9 * (h % 2), "E1") for d in ids for h in range(5 + 7 * ids.index(d), 480, 31)]
    failures = [(d, h, "pump") for d in "abc" for h in range(90 + 9 * ids.index(d), 480, 150)]
    orders = [(f"w{d}{h}", d, h, h + 5, h, "corrective", "pump", "replaced") for d, h, _ in failures]
    return {
        "devices": devices(*ids),
        "telemetry": frame("device_id event_time volt hours", readings),
        "faults": frame("device_id event_time available_at code", faults),
        "failures": frame("device_id event_time component", failures),
        "repairs": frame("work_order_id device_id opened_at closed_at available_at kind component outcome", orders),
        "customers": frame("customer_id since", [("c1", -500), ("c2", -400)]),
        "purchases": frame("customer_id event_time amount", [("c1", 20, 5.0), ("c1", 200, 9.0), ("c2", 300, 7.0)]),
        "contacts": frame("contact_id customer_id event_time kind csat", [("k", "c1", 30, "complaint", 2.0)]),
    }


@pytest.fixture(scope="module")
def moments(at: Callable[[float], pd.Timestamp]) -> list[int]:
    return [timestamp_us(at(hours)) for hours in (72, 144, 240)]


def replayed(spec: FleetSpec, frames: dict[str, pd.DataFrame], moments: list[int]) -> LeakageReport:
    return lint_replay(frames, spec, device_examples(History.from_frames(spec, frames), moments))


def kinds(report: LeakageReport, feature: str = PLANTED) -> set[str]:
    """Checks that stop a feature."""
    return {found.check for found in report.stops if found.feature == feature}


def test_every_view_of_ours_passes_the_replay(spec: FleetSpec, frames: Any, moments: list[int]) -> None:
    report = replayed(spec, frames, moments)
    assert report.findings == ()
    assert len(report.features) > 40
    customers = CustomerHistory.from_frames(spec, frames)
    by_customer = lint_replay(frames, spec, customer_examples(customers, moments))
    assert by_customer.findings == ()
    assert "purchase_count_life" in by_customer.features


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (PEEK, {"truncated_replay", "future_poison", "inclusive_cutoff"}),
        (LATE, {"truncated_replay", "future_poison", "inclusive_cutoff"}),
        (EDGE, {"inclusive_cutoff"}),
        (WHOLE_LIFE, {"truncated_replay", "future_poison", "inclusive_cutoff"}),
        (LAST_SEEN, {"truncated_replay", "future_poison"}),
        (BACK_FILL, {"truncated_replay", "future_poison"}),
        (RETIREMENT, {"future_poison"}),
    ],
    ids=["peek", "late", "edge", "whole life", "last seen", "back-fill", "retirement"],
)
def test_a_planted_view_is_named_with_the_kind_of_its_leak(
    spec: FleetSpec, frames: Any, moments: list[int], plug: Plug, *, text: str, expected: set[str]
) -> None:
    plug(text)
    report = replayed(spec, frames, moments)
    assert expected <= kinds(report)
    assert {found.feature for found in report.findings} == {PLANTED}


def test_a_planted_view_of_customers_is_named(spec: FleetSpec, frames: Any, moments: list[int], plug: Plug) -> None:
    plug(
        body(
            "bought = history.purchases",
            "value = lambda c, t: ((bought.owner == c) & (bought.event_us > t - 7 * DAY_US)).sum()",
        ),
        CUSTOMER,
    )
    asked = customer_examples(CustomerHistory.from_frames(spec, frames), moments)
    report = lint_replay(frames, spec, asked)
    assert {"truncated_replay", "future_poison"} <= kinds(report)
    assert {found.feature for found in report.findings} == {PLANTED}
    (replay,) = (found for found in report.stops if found.check == "truncated_replay")
    assert replay.example["known"] != replay.example["found"]
    assert str(replay.example["id"]) in replay.reason


def test_a_table_dated_by_whole_days_and_known_at_their_start_is_a_warning(frame: Frame) -> None:
    def faults(hours: range, delay: int) -> dict[str, pd.DataFrame]:
        return {"faults": frame("device_id event_time available_at code", [("a", h, h + delay, "E1") for h in hours])}

    (found,) = lint_clocks(faults(range(0, 24 * 30, 24), 0)).findings
    assert (found.check, found.feature, found.severity) == ("inclusive_cutoff", "table faults", "warning")
    assert lint_clocks(faults(range(0, 24 * 30, 24), 24)).findings == ()
    assert lint_clocks(faults(range(0, 24 * 30, 25), 0)).findings == ()


def world(seed: int = 0, lives: int = 60, days: int = 120) -> tuple[pd.DataFrame, Examples, Labels]:
    """Daily rows of lives with events at a rate each life has for itself, a third of them ending early.

    ``precursor`` rises in the week before an event, ``trait`` is the life's rate with an error, ``count`` the events so
    far, ``age`` the days since the first row; all honest.
    """
    chance = np.random.default_rng(seed)
    ends = np.where(np.arange(lives) % 3 == 0, chance.integers(40, days - 10, lives), days)
    rates = chance.gamma(2.0, 0.015, lives)
    parts = []
    for k, end in enumerate(ends):
        days_of_events = np.unique(chance.integers(0, end, chance.poisson(rates[k] * end)))
        events = days_of_events + chance.uniform(0.01, 0.99, len(days_of_events))
        day = np.arange(end)
        position = np.searchsorted(events, day, side="right")
        wait = np.append(events, np.inf)[position] - day
        signal = np.maximum(0.0, 7.0 - wait) + chance.normal(0.0, 1.5, end)
        trait = np.full(end, rates[k] * np.exp(chance.normal(0.0, 0.5)))
        columns = {"precursor": signal, "trait": trait, "count": position, "age": day}
        parts.append(pd.DataFrame({"id": f"d{k:03d}", "day": day, "wait": wait, **columns}))
    rows = pd.concat(parts, ignore_index=True)
    examples = Examples(rows["id"].to_numpy(dtype=np.str_), rows["day"].to_numpy() * DAY_US, "device_id")
    left = rows.groupby("id")["day"].transform("max").to_numpy() + 1 - rows["day"].to_numpy()
    soon = rows["wait"].replace(np.inf, 0.0).to_numpy()
    time = np.where(np.isinf(rows["wait"]), NEVER, np.ceil(soon * DAY_US).astype(np.int64))[:, None]
    labels = Labels(time, (left * DAY_US).astype(np.int64)[:, None], ("pump",), np.ones(len(rows), dtype=bool))
    return rows[["precursor", "trait", "count", "age"]].astype(np.float32), examples, labels


@dataclass(frozen=True)
class Planting:
    """Rows of a world by which leaks are made."""

    rows: pd.DataFrame
    examples: Examples
    labels: Labels

    @property
    def by(self) -> Any:
        return self.rows["precursor"].groupby(self.examples.ids)

    @property
    def wait_days(self) -> np.ndarray:
        wait = self.labels.time_to_event_us[:, 0]
        return np.where(wait == NEVER, np.nan, wait / DAY_US)

    @property
    def total(self) -> np.ndarray:
        """Events of the whole life."""
        last = pd.Series(self.rows["count"] + (self.wait_days <= 1)).groupby(self.examples.ids).transform("max")
        return last.to_numpy(dtype=np.float64)

    @property
    def remaining_days(self) -> np.ndarray:
        cutoffs = pd.Series(self.examples.cutoff_us)
        last = cutoffs.groupby(self.examples.ids).transform("max")
        return np.asarray((last - cutoffs) / DAY_US)

    @property
    def gappy(self) -> pd.Series:
        return self.rows["precursor"].mask(np.random.default_rng(2).random(len(self.rows)) < 0.3)

    def filled(self, how: Callable[[pd.Series], pd.Series]) -> pd.Series:
        return self.gappy.groupby(self.examples.ids).transform(how)

    def noisy(self, values: np.ndarray, spread: float) -> np.ndarray:
        return values + np.random.default_rng(3).normal(0.0, spread, len(values))

    def per_life(self, values: np.ndarray, spread: float) -> np.ndarray:
        """Values with an error that each life has for itself."""
        codes, ids = pd.factorize(self.examples.ids)
        return values + np.random.default_rng(4).uniform(-spread, spread, len(ids))[codes]


PLANTED_COLUMNS: Final[dict[str, tuple[str, Callable[[Planting], Any]]]] = {
    "count to the end of the day": ("inclusive_cutoff", lambda p: p.rows["count"] + (p.wait_days <= 1)),
    "events of the day": ("inclusive_cutoff", lambda p: (p.wait_days <= 1).astype(float)),
    "rate of the life": ("shuffled_time", lambda p: p.per_life(p.total, 0.3)),
    "number of events of the life": ("whole_life", lambda p: p.total),
    "whether it ever fails": ("whole_life", lambda p: p.total > 0),
    "mean over the life": ("whole_life", lambda p: p.by.transform("mean")),
    "maximum over the life": ("whole_life", lambda p: p.by.transform("max")),
    "standardised over the life": (
        "whole_life",
        lambda p: (p.rows["precursor"] - p.by.transform("mean")) / p.by.transform("std"),
    ),
    "scaled to 0..1 over the life": (
        "whole_life",
        lambda p: (p.rows["precursor"] - p.by.transform("min")) / (p.by.transform("max") - p.by.transform("min")),
    ),
    "filled backwards": ("back_fill", lambda p: p.filled(lambda s: s.bfill())),
    "filled forwards, then backwards": ("back_fill", lambda p: p.filled(lambda s: s.bfill().ffill())),
    "interpolated": ("back_fill", lambda p: p.filled(lambda s: s.interpolate(limit_area="inside"))),
    "day of the next event": ("back_fill", lambda p: p.wait_days + p.examples.cutoff_us / DAY_US),
    "days until the last record": ("last_seen", lambda p: p.remaining_days),
    "days until the last record, roughly": ("last_seen", lambda p: p.noisy(p.remaining_days, 3.0)),
    "rows of the life": ("last_seen", lambda p: p.by.transform("size")),
    "last day of the record": ("last_seen", lambda p: p.remaining_days + p.examples.cutoff_us / DAY_US),
    "fails within 7 days": ("target_proxy", lambda p: (p.wait_days <= 7).astype(float)),
    "hours to failure": ("target_proxy", lambda p: p.wait_days * 24),
    "days to failure, whole and capped": ("target_proxy", lambda p: np.minimum(np.ceil(p.wait_days), 45)),
}


def judged(planting: Planting, **planted: Any) -> LeakageReport:
    columns = planting.rows.assign(gappy=planting.gappy, **planted)
    return lint_columns(columns, planting.examples, planting.labels)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("what", PLANTED_COLUMNS)
def test_a_planted_column_is_named_with_the_kind_of_its_leak(what: str, seed: int) -> None:
    check, plant = PLANTED_COLUMNS[what]
    planting = Planting(*world(seed))
    report = judged(planting, **{PLANTED: plant(planting)})
    assert check in kinds(report), report.to_dict()["findings"]
    assert {found.feature for found in report.stops} == {PLANTED}


@pytest.mark.parametrize("seed", range(10))
def test_honest_columns_raise_no_stop(seed: int) -> None:
    planting = Planting(*world(seed))
    by = planting.rows["precursor"].groupby(planting.examples.ids)
    honest = {
        "forward_filled": planting.filled(lambda s: s.ffill()),
        "mean_so_far": by.transform(lambda s: s.expanding().mean()),
        "first_value": by.transform("first"),
        "weekday": (planting.examples.cutoff_us // DAY_US % 7).astype(float),
        "calendar": planting.examples.cutoff_us / DAY_US,
        "since_last": planting.rows["age"] - planting.rows["age"].where(planting.rows["count"].diff() != 0).ffill(),
    }
    assert judged(planting, **honest).stops == ()


def test_a_source_dated_after_the_cutoff_is_proof() -> None:
    planting = Planting(*world())
    known = pd.Series(from_us(planting.examples.cutoff_us))
    late = known.where(np.arange(len(known)) != 5, known + pd.Timedelta(hours=1))
    columns = planting.rows.assign(honest=1.0, **{PLANTED: 1.0})
    report = lint_columns(columns, planting.examples, planting.labels, sources={"honest": known, PLANTED: late})
    assert [(found.feature, found.check, found.figures["later"]) for found in report.stops] == [
        (PLANTED, "future_source", 1)
    ]
    dates = judged(planting, **{PLANTED: known + pd.Timedelta(days=2), "honest": known})
    assert {found.feature for found in dates.stops} == {PLANTED}


def test_labels_with_an_event_at_the_cutoff_stand_on_both_sides() -> None:
    columns, examples, labels = world()
    time = labels.time_to_event_us.copy()
    time[3] = 0
    both = Labels(time, labels.follow_up_us, labels.components, labels.valid)
    assert [found.feature for found in lint_columns(columns, examples, both).stops] == ["labels"]


def test_a_declared_attribute_may_be_constant_and_a_proven_column_is_a_warning() -> None:
    planting = Planting(*world())
    columns = planting.rows.assign(**{PLANTED: planting.total})
    given = (columns, planting.examples, planting.labels)
    assert lint_columns(*given, attributes=[PLANTED]).findings == ()
    proven = lint_columns(*given, proven=[PLANTED])
    assert proven.stops == ()
    assert {found.feature for found in proven.warnings} == {PLANTED}


def test_a_precursor_that_separates_nearly_perfectly_is_a_warning_with_its_leads() -> None:
    planting = Planting(*world())
    strong = planting.noisy(np.maximum(0.0, 8.0 - np.nan_to_num(planting.wait_days, nan=99.0)), 0.3)
    report = judged(planting, strong=strong)
    assert report.stops == ()
    (found,) = report.warnings
    assert (found.feature, found.check) == ("strong", "target_proxy")
    assert found.figures["auc_1d"] > 0.99 > found.figures["auc_30d"]


def test_rows_that_are_not_aligned_and_sources_of_no_column_are_refused() -> None:
    columns, examples, labels = world()
    with pytest.raises(InputError, match="Align them"):
        lint_columns(columns.head(7), examples, labels)
    with pytest.raises(InputError, match="'nothing' is of no column"):
        lint_columns(columns, examples, labels, sources={"nothing": pd.Series(from_us(examples.cutoff_us))})


def test_a_report_names_feature_reason_and_sample_in_a_stable_order() -> None:
    planting = Planting(*world())
    first, second = (judged(planting, b=planting.total, a=planting.remaining_days) for _ in range(2))
    assert first == second
    assert [found.feature for found in first.stops] == sorted(found.feature for found in first.stops)
    content = json.loads(json.dumps(first.to_dict()))
    assert content["stopped"] is True
    assert "'a' leaks" in content["verdict"]
    assert "rows of 60 ids" in content["checked"]["whole_life (columns)"]
    assert "no sources" in content["checked"]["future_source (columns)"]
    assert first.table().row_count == len(first.findings)


def test_matrices_without_rows_events_or_columns_are_judged() -> None:
    columns, examples, labels = world()
    none = np.zeros(len(examples), dtype=bool)
    assert lint_columns(columns[none], examples.take(none), labels.take(none)).findings == ()
    assert lint_columns(columns[[]], examples, labels).findings == ()
    quiet = Labels(np.full_like(labels.time_to_event_us, NEVER), labels.follow_up_us, ("pump",), labels.valid)
    assert lint_columns(columns, examples, quiet).stops == ()
    bare = Labels(np.empty((len(examples), 0), np.int64), np.empty((len(examples), 0), np.int64), (), labels.valid)
    assert lint_columns(columns, examples, bare).stops == ()
