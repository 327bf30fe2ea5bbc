"""Names with any character: from the import over training, MLflow and scoring to the list and its files."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Final

import numpy as np
import openpyxl
import pandas as pd
import pytest

from aftercast.data.fleet import Component, FeatureSettings, FleetSpec, Sensor, TrainingSettings
from aftercast.data.ingest.batches import Batch
from aftercast.data.ingest.importer import ingest
from aftercast.data.workspace import Workspace, create_workspace
from aftercast.models.lists.list_files import to_csv, to_xlsx
from aftercast.models.lists.risk_list import make_list
from aftercast.models.registry.run_metrics import run_metrics
from aftercast.models.registry.versions import client
from aftercast.operations.errors import WorkspaceError
from aftercast.pipelines.score import run_score
from aftercast.pipelines.train import run_train

COMPONENTS: Final = ("Motor (left)", "A+B", "A&B", "O-Ring, {seal} [x]")
SENSORS: Final = ('temp "°C", [a]:{b}', "a//b#?%+&=*\\,;", "电压\u00a0V $a_{$")
MODEL: Final = "M1\x07bell (große)"
BEGAN: Final = pd.Timestamp("2025-01-01", tz="UTC")
DAYS: Final = 80
EVERY: Final = 10
"""Days between two failures of a device."""


def odd_tables() -> dict[str, pd.DataFrame]:
    rng = np.random.default_rng(1)
    ids = [f"D{number}" for number in range(24)]
    times = np.tile(pd.date_range(BEGAN, periods=DAYS, freq="D").as_unit("us"), len(ids))
    telemetry = pd.DataFrame({"device_id": np.repeat(ids, DAYS), "event_time": times, "available_at": times})
    telemetry = telemetry.assign(**{name: rng.normal(size=len(telemetry)) for name in SENSORS})
    devices = pd.DataFrame({"device_id": ids, "device_model": MODEL, "installed_at": BEGAN, "available_at": BEGAN})
    failed = [
        {"device_id": name, "event_time": BEGAN + pd.Timedelta(days=float(day)), "component": COMPONENTS[place % 4]}
        for place, name in enumerate(ids)
        for day in range(3 + place % EVERY, DAYS, EVERY)
    ]
    failures = pd.DataFrame(failed)
    return {"devices": devices, "telemetry": telemetry, "failures": failures.assign(available_at=failures.event_time)}


SPEC: Final = FleetSpec(
    name="odd",
    sensors=tuple(Sensor(name=name) for name in SENSORS),
    components=tuple(Component(name=name) for name in COMPONENTS),
    horizons=("7d",),
    features=FeatureSettings(windows=("72h",), trend_window="72h", event_windows=("168h",)),
    training=TrainingSettings(cutoff_every="96h", minimum_failures=3),
)


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = create_workspace(tmp_path_factory.mktemp("odd") / "100% fleet #a?b&c='d Nord-Süd", SPEC)
    batches = [Batch(name, frame, name) for name, frame in odd_tables().items()]
    report = ingest(workspace.store, batches, workspace.fleet, origin="test")
    assert all(table.quarantined == {} for table in report.tables.values())
    return workspace


def test_a_model_of_components_and_sensors_with_any_name_is_registered_and_lists_are_files(odd: Workspace) -> None:
    result = run_train(odd, "failure").result
    metrics = run_metrics(odd, result["run_id"])
    of_each = {name for name in metrics if re.fullmatch(r"model\..+\.n(_[0-9a-f]{6})?", name)}
    assert "model.Motor _left_.n" in of_each
    assert len(of_each) == len(COMPONENTS)
    params = client(odd).get_run(result["run_id"]).data.params
    assert sum(name.startswith("failures.") for name in params) == len(COMPONENTS)
    if not result["champion"]:
        client(odd).set_registered_model_alias("aftercast-failure", "champion", result["version"])
    run_score(odd)
    made = make_list(odd, "failure", cutoff=None, horizon="7d", top=None)
    assert MODEL in to_csv(made)
    cells = [[cell.value for cell in row] for row in openpyxl.load_workbook(io.BytesIO(to_xlsx(made))).active]
    assert len(cells) == len(made.rows) + 1
    assert {row[2] for row in cells[1:]} == {"M1\ufffdbell (große)"}


def test_everything_of_a_workspace_is_in_its_folder_and_nothing_beside_it(odd: Workspace) -> None:
    assert [path.name for path in odd.folder.parent.iterdir()] == [odd.folder.name]
    assert len(odd.store.read("devices")) == 24
    assert Path(odd.store.address, "devices", "_delta_log").is_dir()


@pytest.mark.parametrize("name", ["100%25 fleet", "a%20b", "%c3%bc"])
def test_a_folder_whose_path_the_library_of_the_history_reads_as_another_is_refused_by_name(
    name: str, tmp_path: Path
) -> None:
    with pytest.raises(WorkspaceError, match=f"{name}.*read as another character"):
        create_workspace(tmp_path / name, SPEC)
    assert not list(tmp_path.iterdir())
