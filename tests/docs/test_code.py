"""The code that pages show does what they say."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest

from aftercast.data.fleet import FleetSpec
from aftercast.data.workspace import Workspace
from aftercast.features.context import DeviceContext
from aftercast.features.dictionary import declared
from aftercast.features.examples import device_examples
from aftercast.features.history import History
from aftercast.features.scope import Scope
from aftercast.operations.clocks import timestamp_us

DOCS = Path(__file__).parents[2] / "docs"
START = pd.Timestamp("2026-01-01", tz="UTC").as_unit("us")


def _code(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """Module of the page about a first feature view."""
    (code,) = _code("first-feature-view.md")
    path = tmp_path_factory.mktemp("view") / "inspections.py"
    path.write_text(code, encoding="utf-8")
    found = importlib.util.spec_from_file_location("inspections", path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def _frames() -> dict[str, pd.DataFrame]:
    days = pd.to_timedelta([5, 60, 100, 101], unit="D")
    times = (START + days).astype("datetime64[us, UTC]")
    devices = pd.DataFrame({"device_id": ["a", "b"], "device_model": "M", "installed_at": START, "available_at": START})
    repairs = pd.DataFrame(
        {
            "work_order_id": ["1", "2", "3", "4"],
            "device_id": "a",
            "opened_at": times,
            "available_at": times,
            "kind": ["inspection", "inspection", "corrective", "inspection"],
        }
    )
    return {"devices": devices, "repairs": repairs}


def test_the_first_feature_view_counts_what_was_known_at_each_cutoff(view: ModuleType) -> None:
    spec = FleetSpec(name="fleet")
    history = History.from_frames(spec, _frames())
    cutoffs = [timestamp_us(START + pd.Timedelta(days=day)) for day in (4, 70, 100)]
    examples = device_examples(history, cutoffs)
    scope = Scope(spec, history.attributes)
    found = view.VIEW.compute(DeviceContext(examples, scope, examples.offsets(history.device_ids), history))
    assert {each.name for each in declared(view.VIEW, scope)} == set(found)
    assert found["inspections_count_90d"].tolist() == [0, 2, 1, 0, 0, 0]
    np.testing.assert_array_equal(found["inspection_age_days"], [np.nan, 10, 40, np.nan, np.nan, np.nan])


@pytest.fixture
def tracking() -> Iterator[None]:
    """MLflow's global address is put back: only a notebook sets it."""
    before = mlflow.get_tracking_uri()
    yield
    mlflow.set_tracking_uri(before)


@pytest.mark.usefixtures("tracking")
def test_the_page_about_python_runs_from_top_to_bottom(
    fleet_workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my-fleet").symlink_to(fleet_workspace.folder)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for block in _code("python.md"):
        exec(block, names)
    assert names["frame"].shape[0] == len(names["cases"].examples) > 0
    assert 0 < names["frame"]["failed"].mean() < 1
    assert names["any_component"].shape == (len(names["frame"]),)
    np.testing.assert_allclose(names["table"].filter(regex="7d").iloc[:, 0], names["probability"][:, 0])
    assert set(names["forecasts"]["model"]) >= {"aftercast", "age"}
    assert len(names["earlier"]) < len(names["failures"])
