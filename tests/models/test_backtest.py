"""Backtests of a simulated fleet: what the report holds, that it repeats, what is refused, and no look ahead."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from aftercast.cli.main import run as aftercast
from aftercast.data.contract import TABLES
from aftercast.data.fleet import FeatureSettings, FleetSpec
from aftercast.data.store import Store
from aftercast.data.workspace import Workspace, create_workspace
from aftercast.models.examples.holdouts import drawn, parse_hold_out
from aftercast.models.fit.training import train_model
from aftercast.models.judge.backtest import backtest
from aftercast.models.judge.report import BacktestReport
from aftercast.operations.clocks import parse_time, timestamp_us
from aftercast.operations.errors import NotEnoughDataError, SettingsError

MODELS = {"aftercast", "age", "base_rate", "logistic", "rule"}
METRICS = {"n", "events", "threshold", "roc_auc", "pr_auc", "brier", "ece", "precision", "recall"}
OF_BUDGETS = {"recall_per_failure", "false_alarms_per_device_month"}
OF_FAILURES = OF_BUDGETS | {"median_lead_time_hours"}
DAY = pd.Timedelta(days=1)
SOON = pd.Timedelta(microseconds=1)
FIRST, KNOWN, LAST = (parse_time(day) for day in ("2025-04-12", "2025-04-19", "2025-04-26"))
HORIZONS: dict[str, str] = {"failure": "7d", "churn": "30d"}
RUNS = [("failure", "once"), ("failure", "daily"), ("churn", "once"), ("churn", "daily")]


@dataclass(frozen=True)
class Forecasts:
    """A report, and the probabilities and thresholds of each model that it judged."""

    report: BacktestReport
    ids: npt.NDArray[np.str_]
    cutoffs: npt.NDArray[np.int64]
    values: dict[str, npt.NDArray[np.float64]]

    def until(self, moment: pd.Timestamp) -> Forecasts:
        """Forecasts of the cutoffs up to an instant."""
        rows = self.cutoffs <= timestamp_us(moment)
        values = {name: values[rows] for name, values in self.values.items()}
        return replace(self, ids=self.ids[rows], cutoffs=self.cutoffs[rows], values=values)

    def equals(self, other: Forecasts) -> bool:
        """Whether rows and values are the same to the bit; BLAS rounds a row of the logistic one by its neighbours."""
        same = self.ids.tolist() == other.ids.tolist() and self.cutoffs.tolist() == other.cutoffs.tolist()
        return same and all(
            np.allclose(values, other.values[name], rtol=1e-12, atol=0.0, equal_nan=True)
            if name == "logistic"
            else np.array_equal(values, other.values[name], equal_nan=True)
            for name, values in self.values.items()
        )


def lean(spec: FleetSpec) -> FleetSpec:
    """Two components, two sensors, one horizon and few windows, so that a training takes less than two seconds."""
    return spec.model_copy(
        update={
            "components": spec.components[:2],
            "sensors": spec.sensors[:2],
            "rules": (),
            "horizons": ("7d",),
            "features": FeatureSettings(windows=("24h",), trend_window="24h", event_windows=("168h",)),
            "training": spec.training.model_copy(update={"minimum_failures": 3, "cutoff_every": "96h"}),
            "churn": spec.churn.model_copy(update={"horizons": ("30d",)}),
        }
    )


def run(store: Store, spec: FleetSpec, kind: str, retrain: Any, **changed: Any) -> Forecasts:
    """Backtest the three weekly cutoffs, and keep what the report was made of."""
    asked: dict[str, Any] = {"train_until": FIRST, "test_from": FIRST, "test_until": LAST, "every": "7d"}
    report = backtest(kind, store, spec, horizon=HORIZONS[kind], retrain=retrain, **asked | changed)
    assert report.forecasts is not None
    examples = report.forecasts.truth.examples
    values = {name: np.column_stack(each) for name, each in report.forecasts.values.items()}
    return Forecasts(report, examples.ids, examples.cutoff_us, values)


@pytest.fixture(scope="module")
def told(fleet_workspace: Workspace) -> Callable[[str, str], Forecasts]:
    """Backtest of the whole fleet, each kind once."""
    return cache(lambda kind, retrain: run(fleet_workspace.store, lean(fleet_workspace.fleet), kind, retrain))


@pytest.mark.parametrize(("kind", "retrain"), RUNS)
def test_the_report_holds_every_metric_of_every_model_by_component_and_over_all(
    told: Callable[[str, str], Forecasts], fleet_workspace: Workspace, kind: str, retrain: str
) -> None:
    report = json.loads(json.dumps(told(kind, retrain).report.to_dict(), allow_nan=False))
    assert (report["kind"], report["horizon"], report["retrain"]) == (kind, HORIZONS[kind], retrain)
    assert report["data_version"] == fleet_workspace.store.version()
    assert set(report["results"]) == MODELS
    components = {"left"} if kind == "churn" else set(lean(fleet_workspace.fleet).component_names)
    for results in report["results"].values():
        assert set(results) == components | {"all"}
        for found in results.values():
            assert set(found) >= METRICS | OF_FAILURES
            assert set(found["budgets"]) == {"0.1%", "1%", "5%"}
            assert all(set(found["budgets"][name]) >= OF_BUDGETS for name in found["budgets"])
            assert found["n"] > 0


def test_every_device_at_risk_is_judged_at_every_cutoff(told: Callable[[str, str], Forecasts]) -> None:
    found = told("failure", "once")
    assert np.unique(found.cutoffs).tolist() == [timestamp_us(day) for day in (FIRST, KNOWN, LAST)]
    assert found.report.n_devices == len(np.unique(found.ids)) > 40
    assert all(np.isfinite(values[:, :3]).all() for values in found.values.values())


def test_events_are_counted_from_the_failures_of_the_store(
    told: Callable[[str, str], Forecasts], fleet_workspace: Workspace
) -> None:
    """A visit of ours ends the watch of a row, so that of the failures told some may not be counted, and no other."""
    found, failures = told("failure", "once"), fleet_workspace.store.read("failures")
    at = pd.DataFrame({"device_id": found.ids, "cutoff": pd.to_datetime(found.cutoffs, unit="us", utc=True)})
    for component in lean(fleet_workspace.fleet).component_names:
        pairs = at.merge(failures[failures["component"] == component], on="device_id")
        told_of = pairs[(pairs["event_time"] > pairs["cutoff"]) & (pairs["event_time"] <= pairs["cutoff"] + 7 * DAY)]
        counted = found.report.results["aftercast"][component]
        assert counted["events"] <= len(told_of.drop_duplicates(["device_id", "cutoff"]))
        assert counted["failures"] <= len(told_of.drop_duplicates(["device_id", "event_time"]))


@pytest.mark.parametrize("kind", ["failure", "churn"])
def test_the_same_backtest_gives_the_same_report(
    told: Callable[[str, str], Forecasts], fleet_workspace: Workspace, kind: str
) -> None:
    again = run(fleet_workspace.store, lean(fleet_workspace.fleet), kind, "once")
    first, second = (json.dumps(replace(found.report, seconds=0.0).to_dict()) for found in (told(kind, "once"), again))
    assert first == second


@pytest.fixture(scope="module")
def other_future(fleet_workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Store that knew the same on 2025-04-19: what the fleet's store learnt later is replaced by wild tales."""
    whole = fleet_workspace.store
    store = create_workspace(tmp_path_factory.mktemp("other") / "fleet", fleet_workspace.fleet).store
    observed = whole.observed_until()
    assert observed is not None
    with store.writing() as writer:
        for table in whole.tables():
            known = whole.read(table, known_at=KNOWN)
            writer.append(table, pd.concat([known, *wild(table, known)], ignore_index=True))
        writer.covers(observed)
    yield store
    store.database.dispose()


def wild(table: str, known: pd.DataFrame) -> list[pd.DataFrame]:
    """Rows that became known a microsecond after 2025-04-19: of the days before and after it, and of long before."""
    clock = TABLES[table].event_time
    if table == "devices":
        gone = known.groupby("device_id").tail(1).assign(available_at=KNOWN + SOON)
        strange = gone.assign(device_id="new-" + gone["device_id"], device_model="A0", installed_at=KNOWN)
        return [gone.iloc[::2].assign(retired_at=FIRST - 20 * DAY), gone.iloc[1::2].assign(device_model="A1"), strange]
    if table == "customers":
        return [
            known.groupby("customer_id").tail(1).iloc[::2].assign(left_at=FIRST - 20 * DAY, available_at=KNOWN + SOON)
        ]
    if clock is None or table == "actions":
        return []
    rows = known.tail(300) if table != "telemetry" else known.groupby("device_id").tail(30)
    found = []
    for shift in (-400 * DAY, 2 * DAY, 9 * DAY):
        moved = rows.assign(**{clock: rows[clock] + shift})
        moved["available_at"] = moved[clock].where(moved[clock] > KNOWN, KNOWN) + SOON
        found.append(_wilder(table, moved, str(shift.days)))
    return [*found, _wilder(table, rows.assign(available_at=KNOWN + SOON), "")]


def _wilder(table: str, rows: pd.DataFrame, tag: str) -> pd.DataFrame:
    """Rows under new keys where these are ids, else at their moved times, with other contents."""
    if table == "telemetry":
        return rows.assign(**{name: rows[name] * 3 + 50 for name in rows.columns if not TABLES[table].has(name)})
    if table == "repairs":
        ids, open_still = rows["work_order_id"] + tag, rows["closed_at"].where(rows["closed_at"].isna())
        return rows.assign(work_order_id=ids, closed_at=open_still, kind="corrective")
    if table == "contacts":
        return rows.assign(contact_id=rows["contact_id"] + tag, kind="complaint")
    return rows.assign(amount=9_999.0) if table == "purchases" else rows


@pytest.mark.parametrize(("kind", "retrain"), RUNS)
def test_what_became_known_after_a_cutoff_changes_no_bit_of_its_forecasts(
    told: Callable[[str, str], Forecasts],
    other_future: Store,
    fleet_workspace: Workspace,
    kind: str,
    retrain: str,
) -> None:
    ours, other = told(kind, retrain), run(other_future, lean(fleet_workspace.fleet), kind, retrain)
    assert ours.until(KNOWN).equals(other.until(KNOWN))
    assert not ours.equals(other)


@pytest.mark.parametrize("kind", ["failure", "churn"])
def test_how_long_a_test_goes_on_changes_no_bit_of_its_first_forecasts(
    told: Callable[[str, str], Forecasts], fleet_workspace: Workspace, kind: str
) -> None:
    short = run(fleet_workspace.store, lean(fleet_workspace.fleet), kind, "daily", test_until=FIRST)
    assert short.equals(told(kind, "daily").until(FIRST))


def test_a_test_before_the_end_of_training_is_refused(fleet_workspace: Workspace) -> None:
    with pytest.raises(SettingsError, match="starts at 2025-04-12 00:00, before training ends at 2025-04-13 00:00"):
        run(fleet_workspace.store, fleet_workspace.fleet, "failure", "once", train_until=FIRST + DAY)


def test_a_horizon_longer_than_the_data_is_refused_with_the_last_cutoff(fleet_workspace: Workspace) -> None:
    observed = fleet_workspace.store.observed_until()
    assert observed is not None
    with pytest.raises(NotEnoughDataError, match="longer than the data") as refused:
        run(fleet_workspace.store, fleet_workspace.fleet, "failure", "once", test_until=LAST + 28 * DAY)
    assert f"no cutoff after {observed - 7 * DAY:%Y-%m-%d %H:%M}" in refused.value.hint


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"test_until": FIRST - DAY}, "nothing to test on"),
        ({"train_until": parse_time("1999-01-01")}, "Until 1999-01-01 00:00 the store knew no events"),
    ],
)
def test_a_time_without_cutoffs_is_refused(fleet_workspace: Workspace, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(NotEnoughDataError, match=message):
        run(fleet_workspace.store, lean(fleet_workspace.fleet), "churn", "once", **changed)


def test_too_few_failures_are_refused_with_their_counts(fleet_workspace: Workspace) -> None:
    spec = lean(fleet_workspace.fleet)
    strict = spec.model_copy(update={"training": spec.training.model_copy(update={"minimum_failures": 10_000})})
    with pytest.raises(NotEnoughDataError, match=r"Too few failures to learn from: pump \d+, motor \d+; 10000"):
        run(fleet_workspace.store, strict, "failure", "once")


def test_an_empty_store_is_refused(tmp_path: Path) -> None:
    store = create_workspace(tmp_path / "empty", FleetSpec(name="empty")).store
    with pytest.raises(NotEnoughDataError, match="nothing to test on"):
        run(store, FleetSpec(name="empty"), "failure", "once")
    store.database.dispose()


def test_several_trainings_each_forecast_until_the_next(
    told: Callable[[str, str], Forecasts], fleet_workspace: Workspace
) -> None:
    spec = lean(fleet_workspace.fleet)
    found = run(fleet_workspace.store, spec, "failure", "once", train_until=[KNOWN, FIRST])
    assert [(fold["train_until"], fold["test_from"], fold["test_until"]) for fold in found.report.folds] == [
        (FIRST.isoformat(), FIRST.isoformat(), FIRST.isoformat()),
        (KNOWN.isoformat(), KNOWN.isoformat(), LAST.isoformat()),
    ]
    assert found.until(FIRST).equals(told("failure", "once").until(FIRST))
    daily = told("failure", "daily")
    rows = found.cutoffs == timestamp_us(KNOWN)
    assert np.array_equal(found.values["aftercast"][rows], daily.values["aftercast"][rows])
    assert not np.array_equal(found.values["aftercast"], told("failure", "once").values["aftercast"])


def test_several_trainings_and_daily_ones_are_refused(fleet_workspace: Workspace) -> None:
    with pytest.raises(SettingsError, match="2 times to train until were given, and to retrain daily"):
        run(fleet_workspace.store, fleet_workspace.fleet, "failure", "daily", train_until=[FIRST, KNOWN])


@pytest.fixture
def trained_on(monkeypatch: pytest.MonkeyPatch) -> list[set[str]]:
    """Ids that each training was given."""
    seen: list[set[str]] = []

    def watched(kind: Any, features: Any, examples: Any, *rest: Any, **named: Any) -> Any:
        seen.append(set(examples.ids.tolist()))
        return train_model(kind, features, examples, *rest, **named)

    monkeypatch.setattr(import_module("aftercast.models.judge.backtest"), "train_model", watched)
    return seen


@pytest.mark.parametrize(
    ("kind", "hold_out", "retrain"),
    [("failure", "devices:0.2", "once"), ("failure", "newest", "daily"), ("churn", "devices:0.2", "once")],
)
def test_no_device_held_out_is_ever_trained_on(
    fleet_workspace: Workspace, trained_on: list[set[str]], kind: str, hold_out: str, retrain: str
) -> None:
    found = run(fleet_workspace.store, lean(fleet_workspace.fleet), kind, retrain, hold_out=hold_out, seed=1)
    tested = set(found.ids.tolist())
    assert tested
    assert len(trained_on) == (1 if retrain == "once" else 3)
    assert all(ids and not ids & tested for ids in trained_on)
    assert found.report.n_devices == len(tested)
    assert (found.report.hold_out or "").startswith(hold_out)


def test_the_newest_generation_is_tested_and_nothing_else(fleet_workspace: Workspace) -> None:
    found = run(fleet_workspace.store, lean(fleet_workspace.fleet), "failure", "once", hold_out="newest")
    devices = fleet_workspace.store.read("devices").drop_duplicates("device_id", keep="last")
    known = devices[devices["installed_at"] <= LAST]
    newest = known.groupby("hardware_generation")["installed_at"].min().idxmax()
    members = set(known.loc[known["hardware_generation"] == newest, "device_id"])
    assert set(found.ids.tolist()) <= members
    assert f"hardware generation {newest}" in (found.report.hold_out or "")


def test_who_is_held_out_depends_on_the_seed_and_on_no_other_device() -> None:
    names = [f"d{number:04d}" for number in range(2_000)]
    chosen = [name for name in names if drawn(name, 0.2, seed=1)]
    assert 340 < len(chosen) < 460
    assert chosen == [name for name in names if drawn(name, 0.2, seed=1)]
    assert set(chosen) < {name for name in names if drawn(name, 0.4, seed=1)}
    assert chosen != [name for name in names if drawn(name, 0.2, seed=2)]


@pytest.mark.parametrize("text", ["devices", "devices:0", "devices:1", "devices:x", "devices:nan", "oldest", ""])
def test_a_hold_out_that_is_none_is_refused_with_how_to_write_it(text: str) -> None:
    with pytest.raises(SettingsError, match="is no hold-out") as refused:
        parse_hold_out(text)
    assert "devices:0.2" in refused.value.hint


def test_a_hold_out_of_no_device_is_refused(fleet_workspace: Workspace) -> None:
    with pytest.raises(NotEnoughDataError, match=r"No device would be held out by devices:0\.001"):
        run(fleet_workspace.store, lean(fleet_workspace.fleet), "churn", "once", hold_out="devices:0.001")


def test_customers_have_no_newest_generation(fleet_workspace: Workspace) -> None:
    with pytest.raises(SettingsError, match="no hardware generation"):
        run(fleet_workspace.store, lean(fleet_workspace.fleet), "churn", "once", hold_out="newest")


def test_time_to_act_leaves_out_alarms_that_came_too_late(
    told: Callable[[str, str], Forecasts], fleet_workspace: Workspace
) -> None:
    """The forecasts stay; of the failures found, those whose first alarm left the time are still found."""
    found = run(fleet_workspace.store, lean(fleet_workspace.fleet), "failure", "once", act_within="96h")
    usual = told("failure", "once")
    assert found.equals(usual)
    leads = usual.report.curves["aftercast"]["lead_time_hours"]
    assert min(leads) < 96
    assert found.report.curves["aftercast"]["lead_time_hours"] == [hours for hours in leads if hours >= 96]
    for component, metrics in found.report.results["aftercast"].items():
        assert metrics["failures"] == usual.report.results["aftercast"][component]["failures"]
    assert found.report.to_dict()["act_within"] == "96h"


def test_a_time_to_act_as_long_as_the_horizon_is_refused(fleet_workspace: Workspace) -> None:
    with pytest.raises(SettingsError, match="takes 7d to act, and forecasts look 7d ahead"):
        run(fleet_workspace.store, fleet_workspace.fleet, "failure", "once", act_within="7d")


def test_draws_add_intervals_and_change_nothing_else(
    told: Callable[[str, str], Forecasts], fleet_workspace: Workspace
) -> None:
    found = run(fleet_workspace.store, lean(fleet_workspace.fleet), "failure", "once", draws=40)
    for model, results in told("failure", "once").report.results.items():
        for component, without in results.items():
            metrics = found.report.results[model][component]
            assert {**metrics, "intervals": None} == {**without, "intervals": None}
            for name in ("roc_auc", "pr_auc", "brier"):
                if metrics["events"] >= 5:
                    low, high = metrics["intervals"][name]
                    assert low <= high
            assert set(metrics["intervals"]["budgets"]) == set(metrics["budgets"])
            assert set(metrics["intervals"]["visit_rates"]) == {"0.1", "0.5", "1"}


def test_the_command_writes_report_page_and_forecasts(fleet_workspace: Workspace, tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("r.json", "r.html", "f.parquet")]
    options = [word for pair in zip(("--json", "--html", "--forecasts"), map(str, files), strict=True) for word in pair]
    spans = ["--train-until", "2025-04-12", "--test-from", "2025-04-12", "--test-until", "2025-04-26", "--every", "7d"]
    with pytest.raises(SystemExit) as ended:
        aftercast(
            [
                "backtest",
                "churn",
                *spans,
                "--horizon",
                "30d",
                "--draws",
                "20",
                *options,
                "-w",
                str(fleet_workspace.folder),
            ]
        )
    assert ended.value.code == 0
    report = json.loads(files[0].read_text(encoding="utf-8"))
    assert report["draws"] == 20
    assert "Churn within 30d was forecast" in files[1].read_text(encoding="utf-8")
    assert set(pd.read_parquet(files[2], columns=["model"])["model"]) == MODELS
