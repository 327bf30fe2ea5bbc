"""Promises every source keeps; a new source is picked up here and needs a sample in its publisher's layout."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from aftercast.data.contract import TABLES
from aftercast.data.ingest import SOURCES, get_source, ingest
from aftercast.data.store import Store
from aftercast.operations.errors import InputError

Sample = Callable[[Path], Path]
SENSORS = " ".join(str(number) for number in range(24))


def azure_pdm(folder: Path) -> Path:
    (folder / "PdM_machines.csv").write_text('"machineID","model","age"\n1,"model3",18\n')
    (folder / "PdM_errors.csv").write_text("datetime,machineID,errorID\n2015-01-03 07:00:00,1,error1\n")
    (folder / "PdM_failures.csv").write_text("datetime,machineID,failure\n2015-01-05 06:00:00,1,comp4\n")
    (folder / "PdM_maint.csv").write_text("datetime,machineID,comp\n2015-01-05 06:00:00,1,comp4\n")
    (folder / "PdM_telemetry.csv").write_text(
        "datetime,machineID,volt,rotate,pressure,vibration\n2015-01-05 06:00:00,1,176.2,418.5,113.1,45.1\n"
    )
    return folder


def backblaze(folder: Path) -> Path:
    header = "date,serial_number,model,capacity_bytes,failure,smart_9_normalized,smart_9_raw\n"
    (folder / "2013-05-09.csv").write_text(header + "2013-05-09,A,ST3000,3000592982016,0,,480\n")
    (folder / "2013-05-10.csv").write_text(header + "2013-05-10,A,ST3000,3000592982016,1,,504\n")
    return folder


def cmapss(folder: Path) -> Path:
    (folder / "train_FD001.txt").write_text(f"1 1 {SENSORS}\n1 2 {SENSORS}\n")
    return folder


def navarchos(folder: Path) -> Path:
    names = ("rpm", "obdSpeed", "mapIntake", "intakeTemp", "coolantTemp", "MAFairFlowRate")
    row = {"vehicle_id": [0], "timestamp": ["2023-07-08 00:12:05"]} | {name: [80] for name in names}
    pd.DataFrame(row).to_parquet(folder / "telemetry.parquet")
    (folder / "services.csv").write_text(
        ",vehicle_id,dt,action_type,desc\n1,0,2023-07-08 00:00:41,R,EGR valve repair\n"
    )
    return folder


def tables(folder: Path) -> Path:
    (folder / "devices.csv").write_text("device_id,device_model,installed_at\nd1,m,2024-01-01T00:00:00Z\n")
    (folder / "failures.csv").write_text("device_id,event_time,component\nd1,2024-02-01T00:00:00Z,pump\n")
    (folder / "telemetry.csv").write_text("device_id,event_time,heat\nd1,2024-01-05T00:00:00Z,21.5\n")
    return folder


SAMPLES: dict[str, Sample] = {
    "azure-pdm": azure_pdm,
    "backblaze": backblaze,
    "cmapss": cmapss,
    "navarchos": navarchos,
    "tables": tables,
}


@pytest.fixture(params=sorted(SOURCES))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def sample(name: str, tmp_path: Path) -> Path:
    folder = tmp_path / "published"
    folder.mkdir()
    return SAMPLES[name](folder)


def test_what_a_source_yields_is_imported_whole_under_its_own_draft(name: str, sample: Path, store: Store) -> None:
    source = SOURCES[name]
    spec = source.draft(sample)
    report = ingest(store, source.read(sample, spec), spec, origin=name)
    assert {"devices", "telemetry"} <= set(report.tables)
    for counts in report.tables.values():
        assert counts.kept == counts.read > 0
        assert counts.quarantined == {}


def test_the_same_files_read_again_bring_nothing_new(name: str, sample: Path, store: Store) -> None:
    source = SOURCES[name]
    spec = source.draft(sample)
    ingest(store, source.read(sample, spec), spec, origin=name)
    assert not ingest(store, source.read(sample, spec), spec, origin=name).published


def test_a_device_comes_before_what_refers_to_it(name: str, sample: Path) -> None:
    source = SOURCES[name]
    known: set[str] = set()
    for batch in source.read(sample, source.draft(sample)):
        ids = set(batch.frame["device_id"])
        assert batch.table in TABLES
        if batch.table == "devices":
            known |= ids
        assert ids <= known


def test_a_drafted_spec_names_itself_its_sensors_and_its_components(name: str, sample: Path) -> None:
    spec = SOURCES[name].draft(sample)
    assert spec.name
    assert spec.sensors
    assert spec.components


def test_what_a_source_knows_reaches_no_further_than_it_observed(name: str, sample: Path) -> None:
    source = SOURCES[name]
    for batch in source.read(sample, source.draft(sample)):
        if batch.covers_until is not None:
            assert batch.frame["available_at"].max() <= batch.covers_until


@pytest.mark.parametrize("act", ["read", "draft"])
def test_a_missing_path_is_refused_by_name(name: str, act: str, sample: Path, tmp_path: Path) -> None:
    source = SOURCES[name]
    spec = source.draft(sample)
    actions: dict[str, Callable[[Path], object]] = {
        "draft": source.draft,
        "read": lambda path: list(source.read(path, spec)),
    }
    with pytest.raises(InputError, match="nowhere") as refused:
        actions[act](tmp_path / "nowhere")
    assert refused.value.hint


def test_an_empty_folder_is_refused_with_a_hint(name: str, tmp_path: Path) -> None:
    (tmp_path / "void").mkdir()
    with pytest.raises(InputError, match="void") as refused:
        SOURCES[name].draft(tmp_path / "void")
    assert refused.value.hint


def test_every_file_may_be_damaged_and_the_error_names_it(name: str, sample: Path) -> None:
    source = SOURCES[name]
    spec = source.draft(sample)
    for file in sorted(sample.iterdir()):
        whole = file.read_bytes()
        file.write_bytes(b"\xff\xfe\x00broken\x00" + bytes(40))
        with pytest.raises(InputError, match=file.name):
            list(source.read(sample, spec))
        file.write_bytes(whole)


def test_every_file_may_be_empty_and_the_error_names_it(name: str, sample: Path) -> None:
    source = SOURCES[name]
    spec = source.draft(sample)
    for file in sorted(sample.iterdir()):
        whole = file.read_bytes()
        file.write_bytes(b"")
        with pytest.raises(InputError, match=file.name):
            list(source.read(sample, spec))
        file.write_bytes(whole)


def test_every_source_is_found_under_its_name() -> None:
    assert sorted(SOURCES) == sorted(SAMPLES)
    assert all(get_source(name).name == name and get_source(name).about for name in SOURCES)


def test_the_user_guide_tells_of_every_source() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "sources.md").read_text(encoding="utf-8")
    assert [name for name in SOURCES if f"## `{name}`" not in guide] == []


def test_an_unknown_source_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(InputError, match="no source 'backblase'") as refused:
        get_source("backblase")
    assert "'backblaze'" in refused.value.hint
