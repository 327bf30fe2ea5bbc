"""The published sets through their sources and the ingest, counted against what the publishers say they hold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from aftercast.data.ingest import ImportReport, get_source, ingest
from aftercast.data.store import Store

pytestmark = pytest.mark.real_data
Bring = Callable[..., ImportReport]


@pytest.fixture
def bring(real_data: Path, store: Store) -> Bring:
    """Return a function that imports one published set under the fleet spec drafted from it."""

    def run(name: str, *parts: str) -> ImportReport:
        path = real_data.joinpath(*parts)
        if not path.exists():
            pytest.skip(f"{path} is not there")
        source = get_source(name)
        spec = source.draft(path)
        return ingest(store, source.read(path, spec), spec, origin=name)

    return run


def kept(report: ImportReport) -> dict[str, int]:
    """Rows kept of each table; nothing of a published set may be refused."""
    assert all(counts.quarantined == {} for counts in report.tables.values())
    return {name: counts.kept for name, counts in report.tables.items()}


def test_azure_pdm_daily_is_read_whole(bring: Bring, store: Store) -> None:
    counts = kept(bring("azure-pdm", "azure_pdm"))
    assert counts == {"devices": 100, "faults": 2925, "failures": 581, "repairs": 2554, "telemetry": 27_300}
    assert store.observed_until() == pd.Timestamp("2015-10-01", tz="UTC")


def test_every_azure_pdm_failure_after_the_first_two_days_has_its_corrective_repair(bring: Bring, store: Store) -> None:
    bring("azure-pdm", "azure_pdm")
    failed = store.read("failures")[["device_id", "event_time", "component"]]
    repairs = store.read("repairs").query("kind == 'corrective'").rename(columns={"opened_at": "event_time"})
    both = failed.merge(repairs, on=["device_id", "event_time", "component"], how="left")
    unrepaired = both[both["work_order_id"].isna()]
    assert len(both) - len(unrepaired) == len(repairs)
    assert unrepaired["event_time"].unique().tolist() == [pd.Timestamp("2015-01-02 03:00", tz="UTC")]
    assert len(unrepaired) == 18


def test_azure_pdm_hourly_is_read_whole_up_to_its_last_hour(bring: Bring, store: Store) -> None:
    report = bring("azure-pdm", "azure_pdm", "PdM_telemetry_hourly_machines_1_20.csv.gz")
    assert kept(report)["telemetry"] == 43_200
    assert store.observed_until() == pd.Timestamp("2015-04-01 06:00", tz="UTC")


@pytest.mark.slow
def test_backblaze_month_is_read_whole_with_its_failures(bring: Bring, store: Store) -> None:
    counts = kept(bring("backblaze", "backblaze", "drive_stats_2013-04-10_2013-05-09.parquet"))
    assert counts["telemetry"] == 648_339
    assert counts["failures"] == 93
    devices = store.read("devices")
    assert devices["device_id"].nunique() == 22_048
    failed = set(store.read("failures")["device_id"])
    assert failed <= set(devices.dropna(subset="retired_at")["device_id"])
    assert store.observed_until() == pd.Timestamp("2013-05-09", tz="UTC")


def test_backblaze_day_in_the_publishers_layout_is_the_last_day_of_the_month(real_data: Path, tmp_path: Path) -> None:
    folder, source = real_data / "backblaze", get_source("backblaze")
    if not folder.exists():
        pytest.skip(f"{folder} is not there")
    month = pd.read_parquet(next(folder.glob("*.parquet")), filters=[("date", "==", "2013-05-09")])
    month.to_parquet(tmp_path / "last.parquet")
    spec = source.draft(tmp_path / "last.parquet")
    ours, published = (
        {batch.table: batch.frame for batch in source.read(path, spec)}
        for path in (tmp_path / "last.parquet", folder / "2013-05-09.csv.gz")
    )
    for table in ("devices", "failures", "telemetry"):
        first, second = (tables[table].sort_values("device_id", ignore_index=True) for tables in (ours, published))
        pd.testing.assert_frame_equal(first, second[first.columns], check_dtype=False)


def test_cmapss_is_read_whole_and_test_engines_do_not_fail(bring: Bring, store: Store) -> None:
    counts = kept(bring("cmapss", "cmapss"))
    assert counts["telemetry"] == 20_631 + 13_096 + 24_720 + 16_596
    assert counts["failures"] == 200
    assert store.read("devices")["device_id"].nunique() == 400
    assert store.read("failures")["device_id"].str.contains("train").all()


def test_navarchos_is_read_whole(bring: Bring, store: Store) -> None:
    counts = kept(bring("navarchos", "navarchos_fleet"))
    assert (counts["telemetry"], counts["repairs"]) == (759_572, 221)
    assert store.read("repairs")["kind"].value_counts().to_dict() == {"preventive": 104, "corrective": 117}
