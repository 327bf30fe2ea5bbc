"""The linter on stores: clean fleets raise no stop, a planted view stops a training's promotion and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from aftercast.cli.main import app
from aftercast.data.fleet import Component, FleetSpec, load_fleet
from aftercast.data.ingest import get_source, ingest
from aftercast.data.simulator import simulate
from aftercast.data.workspace import Workspace, create_workspace
from aftercast.features import views
from aftercast.features.dictionary import discovered_views
from aftercast.features.labels import Labels, load_outcome
from aftercast.models.examples.cases import build_cases, horizons_of
from aftercast.models.examples.splits import training_cutoffs
from aftercast.models.fit.training import Trained, train_model
from aftercast.models.hazard import HazardSettings
from aftercast.models.kind import Gate
from aftercast.models.leakage import lint_columns
from aftercast.models.leakage.gate import lint_store, standing_features, too_good
from aftercast.models.registry.versions import champion_version, client, newest_version, promote
from aftercast.operations.clocks import DAY_US, parse_time, timestamp_us
from aftercast.operations.errors import LookAheadError
from aftercast.pipelines.train import run_train

COMMAND: Final = (sys.executable, "-m", "aftercast.cli.main")
PEEKING: Final = """
import numpy as np
from aftercast.operations.clocks import DAY_US
from aftercast.features.scope import number
from aftercast.features.view import FeatureView

def columns(context):
    failures = context.history.failures
    owner = np.repeat(np.arange(len(context.offsets) - 1), np.diff(context.offsets))
    soon = [
        ((failures.owner == d) & (failures.event_us > t) & (failures.event_us <= t + 7 * DAY_US)).any()
        for d, t in zip(owner, context.cutoffs)
    ]
    yield number("failures_count_ahead", "", "planted"), np.array(soon, dtype=float)

VIEW = FeatureView("peeking", "device_id", columns)
"""


@pytest.fixture
def peeking(tmp_path: Path) -> Iterator[None]:
    """A view, added as a file where views are looked for, that counts failures after the cutoff."""
    (tmp_path / "plugin").mkdir()
    (tmp_path / "plugin" / "peeking.py").write_text(PEEKING)
    views.__path__.append(str(tmp_path / "plugin"))
    discovered_views.cache_clear()
    yield
    views.__path__.remove(str(tmp_path / "plugin"))
    sys.modules.pop(f"{views.__name__}.peeking", None)
    discovered_views.cache_clear()


@pytest.mark.parametrize("kind", ["failure", "churn"])
def test_the_shared_fleet_raises_no_stop(fleet_workspace: Workspace, kind: str) -> None:
    report = lint_store(kind, fleet_workspace.store, fleet_workspace.fleet)
    assert report.stops == ()
    assert "truncated_replay" in report.checked


def test_the_same_store_gives_the_same_report(fleet_workspace: Workspace) -> None:
    first, second = (lint_store("failure", fleet_workspace.store, fleet_workspace.fleet) for _ in range(2))
    assert first == second


def test_a_training_with_a_leak_is_kept_but_not_promoted(own_fleet: Workspace, peeking: None) -> None:
    before = champion_version(own_fleet, "failure")
    with pytest.raises(LookAheadError, match=r"failures_count_ahead.*truncated_replay|failures_count_ahead"):
        run_train(own_fleet, "failure", seed=1)
    assert champion_version(own_fleet, "failure") == before
    found = newest_version(own_fleet, "failure")
    assert found is not None
    assert found.champion is False
    assert "failures_count_ahead" in found.decision
    logged = json.loads(Path(client(own_fleet).download_artifacts(found.run_id, "leakage.json")).read_text())
    assert logged["stopped"] is True
    assert {finding["feature"] for finding in logged["findings"] if finding["severity"] == "stop"} == {
        "failures_count_ahead"
    }
    with pytest.raises(LookAheadError, match="failures_count_ahead"):
        promote(own_fleet, found, Gate(passed=True, why="asked for."))


def test_a_clean_training_logs_its_report(fleet_workspace: Workspace) -> None:
    found = champion_version(fleet_workspace, "failure")
    assert found is not None
    run = client(fleet_workspace).get_run(found.run_id)
    assert run.data.tags["aftercast.leakage.stopped"] == "false"
    logged = json.loads(Path(client(fleet_workspace).download_artifacts(found.run_id, "leakage.json")).read_text())
    assert logged["stopped"] is False


def test_the_command_prints_json_and_ends_with_zero_on_a_clean_store(fleet_workspace: Workspace) -> None:
    words = [*COMMAND, "leakage", "failure", "--json", "-w", str(fleet_workspace.folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["stopped"] is False


def test_the_command_ends_with_one_when_something_stops(fleet_workspace: Workspace, peeking: None) -> None:
    done = CliRunner().invoke(app, ["leakage", "failure", "--json", "-w", str(fleet_workspace.folder)])
    assert done.exit_code == 1
    content = json.loads(done.stdout)
    assert content["stopped"] is True
    assert "'failures_count_ahead' leaks" in content["verdict"]


def simulated(folder: Path, seed: int) -> Workspace:
    """Small fleet of a seed, imported."""
    simulate(folder / "made", devices=40, days=120, seed=seed)
    workspace = create_workspace(folder / "fleet", load_fleet(folder / "made" / "fleet.toml"))
    batches = get_source("tables").read(folder / "made" / "tables", workspace.fleet)
    ingest(workspace.store, batches, workspace.fleet, origin="simulated")
    return workspace


@pytest.mark.slow
@pytest.mark.parametrize("seed", [21, 22, 23])
def test_simulated_fleets_raise_no_stop(tmp_path: Path, seed: int) -> None:
    workspace = simulated(tmp_path, seed)
    kinds: tuple[str, ...] = ("failure", "churn")
    for kind in kinds:
        assert lint_store(kind, workspace.store, workspace.fleet).stops == ()


@pytest.mark.slow
@pytest.mark.real_data
def test_the_public_machines_raise_no_stop_although_codes_announce_their_failures(
    real_data: Path, tmp_path: Path
) -> None:
    data = real_data / "azure_pdm"
    if not data.exists():
        pytest.skip(f"{data} is not there")
    source = get_source("azure-pdm")
    workspace = create_workspace(tmp_path / "machines", source.draft(data))
    ingest(workspace.store, source.read(data, workspace.fleet), workspace.fleet, origin="azure-pdm")
    until = parse_time("2015-04-30")
    report = lint_store("failure", workspace.store, workspace.fleet, until=until)
    assert report.stops == ()
    assert {found.check for found in report.warnings} == {"target_proxy"}
    store, spec = workspace.store, workspace.fleet
    cutoffs = training_cutoffs(timestamp_us(parse_time("2015-01-10")), timestamp_us(until), DAY_US)
    cases = build_cases("failure", store, spec, cutoffs, version=store.version(), known_at=until)
    labels = cases.labels(load_outcome(store, spec, known_at=until), until)
    unproven = lint_columns(
        cases.features,
        cases.examples,
        labels,
        attributes=standing_features("failure", store, spec, store.version()),
        horizons_us=horizons_of("failure", spec),
    )
    assert unproven.stops == ()


def test_a_column_joined_onto_the_features_is_judged_with_them(fleet_workspace: Workspace) -> None:
    store, spec = fleet_workspace.store, fleet_workspace.fleet
    end = store.observed_until()
    assert end is not None
    cutoffs = training_cutoffs(timestamp_us(parse_time("2025-02-01")), timestamp_us(end), 2 * DAY_US)
    cases = build_cases("failure", store, spec, cutoffs, version=store.version())
    labels = cases.labels(load_outcome(store, spec), end)
    fails = (labels.time_to_event_us.min(axis=1) <= 7 * DAY_US).astype(float)
    report = lint_columns(
        cases.features.copy().assign(joined=fails),
        cases.examples,
        labels,
        attributes=standing_features("failure", store, spec, store.version()),
        horizons_us=horizons_of("failure", spec),
    )
    assert {(found.feature, found.check) for found in report.stops} == {("joined", "target_proxy")}


def test_a_model_too_good_is_a_warning_that_names_what_it_rests_on(world: Any) -> None:
    ahead = np.nan_to_num(world.labels.time_to_event_us[:, 0] / DAY_US, nan=0.0)
    told = world.features.assign(told=np.where(ahead <= 7, 8.0 - ahead, 0.0).astype(np.float32))
    honest, leaked = (trained(features, world) for features in (world.features, told))
    assert too_good(honest).findings == ()
    (found,) = too_good(leaked).findings
    assert (found.feature, found.check, found.severity) == ("told", "too_good", "warning")
    assert "ROC-AUC" in found.reason
    assert "ROC-AUC" in too_good(honest).checked["too_good"]


def trained(features: pd.DataFrame, world: Any) -> Trained:
    """Model of the pump alone, whose failures the stress announces in part."""
    labels = Labels(
        world.labels.time_to_event_us[:, :1], world.labels.follow_up_us[:, :1], ("pump",), world.labels.valid
    )
    spec = FleetSpec(name="world", components=(Component(name="pump"),))
    until = pd.Timestamp(60 * DAY_US, unit="us", tz="UTC")
    settings = HazardSettings(rounds=30, fallback_rounds=20, workers=1)
    return train_model(
        "failure",
        features,
        world.examples,
        labels,
        spec,
        horizons_us=(DAY_US, 7 * DAY_US),
        until=until,
        settings=settings,
        baselines_on_all=False,
    )
