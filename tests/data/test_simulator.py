"""The simulated world: repeatable, complete, and honest about its own truth."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from aftercast.data.contract import TABLES
from aftercast.data.fleet import load_fleet
from aftercast.data.ingest.sources.parts import find_parts
from aftercast.data.simulator.config import FleetConfig
from aftercast.data.simulator.simulate import simulate


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    simulate(folder, devices=200, days=200, seed=5)
    return folder


def table(folder: Path, name: str) -> pd.DataFrame:
    single = folder / "tables" / f"{name}.parquet"
    return pd.read_parquet(single if single.exists() else folder / "tables" / name)


def test_the_same_seed_makes_identical_files_on_every_day_after_the_period(tmp_path: Path) -> None:
    for name, day in (("a", "2026-01-01"), ("b", "2030-01-01")):
        simulate(tmp_path / name, devices=12, days=40, seed=2, now=pd.Timestamp(day, tz="UTC"))
    for path in (tmp_path / "a").rglob("*.parquet"):
        assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()


def test_a_device_does_not_depend_on_the_size_of_the_fleet(tmp_path: Path) -> None:
    for size in (20, 40):
        simulate(tmp_path / str(size), devices=size, days=60, seed=2)
    for name in ("telemetry", "faults", "repairs"):
        small, large = (table(tmp_path / size, name) for size in ("20", "40"))
        shared = large[large["device_id"].isin([f"D{k:06d}" for k in range(20)])].reset_index(drop=True)
        pd.testing.assert_frame_equal(small, shared)


def test_every_table_has_the_columns_the_contract_requires(world: Path) -> None:
    for name, wanted in TABLES.items():
        frame = table(world, name)
        assert len(frame) > 0, name
        required = [*wanted.required, "available_at"]
        assert not frame[required].isna().any().any(), name
        clocks = [c for c in (wanted.event_time, *wanted.until) if c is not None]
        for clock in clocks:
            assert not (frame[clock] > frame["available_at"]).any(), (name, clock)


def test_the_truth_is_nowhere_in_what_is_imported(world: Path) -> None:
    spec = load_fleet(world / "fleet.toml")
    found = find_parts(world / "tables", spec)
    assert set(found) == set(TABLES)
    imported = {part.place for parts in found.values() for part in parts}
    assert imported == {path for path in (world / "tables").rglob("*") if path.is_file()}
    for name, parts in found.items():
        extra = {"telemetry": {s.name for s in spec.sensors}, "devices": {"hardware_generation"}}.get(name, set())
        known = {column.name for column in TABLES[name].columns} | extra | {"available_at"}
        assert all(set(pq.read_schema(part.place).names) <= known for part in parts), name


def test_a_second_run_leaves_nothing_of_a_larger_first(tmp_path: Path) -> None:
    simulate(tmp_path / "used", devices=450, days=3, seed=1)
    for folder in ("used", "fresh"):
        simulate(tmp_path / folder, devices=20, days=10, seed=1)
    used, fresh = (sorted(p.relative_to(tmp_path / f) for p in (tmp_path / f).rglob("*")) for f in ("used", "fresh"))
    assert used == fresh


def test_failures_are_as_frequent_as_their_hazards_say(world: Path) -> None:
    truth, failures = pd.read_parquet(world / "truth" / "hazards.parquet"), table(world, "failures")
    happened = failures.assign(time=failures["event_time"].dt.floor("D"))[["device_id", "component", "time"]]
    merged = truth.merge(happened.assign(failed=1.0), how="left").fillna({"failed": 0.0})
    chance = 1 - np.exp(-merged["hazard"])
    for _, part in merged.assign(chance=chance).groupby(pd.qcut(chance, 10, duplicates="drop"), observed=True):
        spread = np.sqrt((part["chance"] * (1 - part["chance"])).sum())
        assert abs(part["failed"].sum() - part["chance"].sum()) < 4 * spread + 1


def test_probabilities_grow_with_the_horizon_and_hazards_with_wear(world: Path) -> None:
    p = pd.read_parquet(world / "truth" / "probabilities.parquet")
    assert ((p["p_24h"] <= p["p_7d"]) & (p["p_7d"] <= p["p_30d"])).all()
    hazards = pd.read_parquet(world / "truth" / "hazards.parquet")
    worn = hazards["wear"] > 1.0
    assert hazards["hazard"][worn].mean() > 3 * hazards["hazard"][~worn].mean()


def test_a_visit_lowers_the_hazard(world: Path) -> None:
    t = pd.read_parquet(world / "truth" / "treatments.parquet")
    assert set(t["arm"]) == {"treated", "holdout"}
    assert (t["hazard_30d_treated"] < t["hazard_30d_untreated"]).all()


def test_every_way_to_spoil_data_occurs(world: Path) -> None:
    telemetry, spec = table(world, "telemetry"), load_fleet(world / "fleet.toml")
    silent = set(table(world, "devices")["device_id"]) - set(telemetry["device_id"])
    outside = [((telemetry[s.name] < s.low) | (telemetry[s.name] > s.high)).any() for s in spec.sensors]
    assert silent
    assert any(outside)
    assert (telemetry["available_at"] - telemetry["event_time"] > pd.Timedelta("6h")).mean() > 0.01
    assert telemetry.duplicated().any()
    assert (telemetry.groupby("device_id")["event_time"].diff() < pd.Timedelta(0)).any()


def test_service_and_customers_show_every_kind(world: Path) -> None:
    repairs, contacts, customers = (table(world, n) for n in ("repairs", "contacts", "customers"))
    assert set(repairs["kind"]) == {"corrective", "preventive", "proactive", "inspection"}
    assert (repairs["outcome"] == "no_fault_found").any()
    assert set(contacts["kind"]) == {"complaint", "question", "repair_request", "survey"}
    assert customers["left_at"].notna().any()
    chinese = contacts["text"].map(lambda text: re.search("[\u4e00-\u9fff]", text) is not None)
    assert (chinese == (contacts["language"] == "zh")).all()
    assert contacts["text"].nunique() > 48


def test_every_large_table_is_written_by_chunks_of_devices(tmp_path: Path) -> None:
    simulate(tmp_path, devices=401, days=3, seed=1)
    for name in ("telemetry", "faults", "repairs", "contacts"):
        parts = sorted((tmp_path / "tables" / name).glob("*.parquet"))
        assert len(parts) == 3, name
        assert pq.read_schema(parts[0]) == pq.read_schema(parts[2])
    groups = {path.stem: pq.ParquetFile(path).num_row_groups for path in (tmp_path / "truth").glob("*.parquet")}
    assert set(groups) == {"hazards", "probabilities", "treatments", "churn"}
    assert groups["hazards"] >= 3


def test_the_number_of_rows_said_is_the_number_written(tmp_path: Path) -> None:
    summary = simulate(tmp_path, devices=30, days=40, seed=1)
    assert summary.tables == {name: len(table(tmp_path, name)) for name in TABLES}


def test_a_long_period_begins_earlier_so_that_it_is_over(tmp_path: Path) -> None:
    """An import refuses what has not happened yet."""
    config = FleetConfig(start=f"{pd.Timestamp.now('UTC') - pd.Timedelta(days=10):%Y-%m-%d}")
    simulate(tmp_path / "ahead", devices=2, days=30, seed=2, config=config)
    telemetry = table(tmp_path / "ahead", "telemetry")
    assert telemetry["available_at"].max() < pd.Timestamp.now("UTC")
    assert telemetry["event_time"].min() >= pd.Timestamp(config.start, tz="UTC") - pd.DateOffset(years=1)
