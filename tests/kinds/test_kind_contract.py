"""Promises that every kind keeps, whichever folders there are."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd
import pytest
from tests.lean import lean
from tests.pipelines.units import filled

from aftercast.data.fleet import FleetSpec
from aftercast.data.workspace import Workspace, create_workspace
from aftercast.models.examples.entities import ENTITIES
from aftercast.models.forecast import Forecast
from aftercast.models.kind import OWN, BacktestRequest, Kind, Reading, Training, TrainingRequest
from aftercast.models.kinds import hazard_kind, kind_names, kind_of
from aftercast.models.metadata import Metadata, library_versions, spec_hash
from aftercast.models.registry.versions import Loaded
from aftercast.models.scoring.forecast_store import store_forecasts, stored_forecasts
from aftercast.operations.clocks import parse_duration_us
from aftercast.operations.errors import InputError, ModelMismatchError, SettingsError

KINDS: Final = sorted([*kind_names(), "complaint"])
SPEC: Final = FleetSpec(name="empty")
QUICK: Final[dict[str, dict[str, Any]]] = {
    "anomaly": {"rate": 0.3},
    "remaining-life": {"cap": 50, "folds": 3, "rounds": 20},
}
LEAN: Final[dict[str, Any]] = {"members": 1, "rounds": 30}
"""Settings of kinds that forecast events, with which a training takes seconds."""

pytestmark = pytest.mark.usefixtures("complaint")


@dataclass(frozen=True)
class Learnt:
    """A kind that learnt from a small fleet, and its forecasts of the end of the data."""

    kind: Kind
    training: Training
    loaded: Loaded
    forecasts: list[Forecast]


@pytest.fixture(scope="module")
def learn(fleet_workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Learnt]:
    """Train a kind by its name, once, and score with it."""
    fleet = Workspace(fleet_workspace.folder, fleet_workspace.settings, lean(fleet_workspace.fleet))
    done: dict[str, Learnt] = {}

    def of(name: str) -> Learnt:
        if name not in done:
            units = name == "remaining-life"
            done[name] = _learnt(name, filled(tmp_path_factory.mktemp("units") / "fleet") if units else fleet)
        return done[name]

    return of


def _learnt(name: str, workspace: Workspace) -> Learnt:
    kind, store, spec = kind_of(name), workspace.store, workspace.fleet
    version, until = store.version(), store.observed_until()
    assert until is not None
    settings = kind.settings(QUICK.get(name, LEAN), spec)
    training = kind.train(TrainingRequest(store, spec, version, until, seed=0, settings=settings))
    metadata = Metadata(
        kind=name,
        key="key",
        until=until.isoformat(),
        data_version=version,
        seed=0,
        spec_hash=spec_hash(spec),
        libraries=library_versions(),
        dictionary_hash=training.dictionary_hash,
        horizons=training.horizons,
        components=training.components,
        facts=dict(training.facts),
    )
    loaded = Loaded(name, training.model, "1", "run", Metadata.model_validate_json(metadata.model_dump_json()))
    scoring = kind.score(loaded, Reading(store, spec, version, until))
    return Learnt(kind, training, loaded, list(scoring.forecasts))


@pytest.mark.parametrize("name", KINDS)
def test_its_name_is_its_folder_and_its_words_are_there(name: str) -> None:
    kind = kind_of(name)
    folder = name.replace("-", "_")
    assert kind.name == name
    assert type(kind).__module__.removeprefix("aftercast.models.kinds.").split(".")[0] == folder
    assert kind.title.strip()
    assert kind.about.endswith(".")
    assert kind.entity == ENTITIES[kind.grain]
    assert kind.path.replace("-", "").isalnum()
    assert kind.shape in {"hazard", "distribution", "classes", "alarms"}


@pytest.mark.parametrize("name", [name for name in KINDS if name not in {"anomaly", "remaining-life"}])
def test_what_forecasts_events_has_words_and_ascending_horizons(name: str) -> None:
    kind = hazard_kind(name)
    assert "" not in {kind.words.event, kind.words.verb}
    horizons = [parse_duration_us(each) for each in kind.horizons(SPEC)]
    assert horizons == sorted(set(horizons)) != []
    assert parse_duration_us(kind.usual_horizon) > 0
    assert kind.first_events


def test_what_forecasts_no_events_is_refused_where_horizons_are_needed() -> None:
    with pytest.raises(InputError, match="'anomaly' gives no probabilities by horizon"):
        hazard_kind("anomaly")
    with pytest.raises(InputError, match="no kind 'demand'") as refused:
        kind_of("demand")
    assert "complaint" in refused.value.hint


@pytest.mark.parametrize("name", KINDS)
def test_an_unknown_setting_is_refused_with_the_nearest_name(name: str) -> None:
    kind = kind_of(name)
    known = next(iter(kind.described_settings(kind.settings({}, SPEC))))
    with pytest.raises(SettingsError, match=f"unknown key '{known}x', did you mean '{known}'"):
        kind.settings({f"{known}x": 1}, SPEC)


@pytest.mark.parametrize("name", KINDS)
def test_described_settings_are_json_and_make_the_same_settings(name: str) -> None:
    kind = kind_of(name)
    settings = kind.settings(QUICK.get(name, LEAN), SPEC)
    described = dict(kind.described_settings(settings))
    assert json.loads(json.dumps(described, allow_nan=False)) == described
    assert kind.settings(described, SPEC) == settings
    assert described != kind.described_settings(kind.settings({}, SPEC))


@pytest.mark.parametrize("name", KINDS)
def test_a_training_has_metrics_a_gate_and_a_result_that_can_be_shown(
    name: str, learn: Callable[[str], Learnt]
) -> None:
    learnt = learn(name)
    training = learnt.training
    assert training.metrics[OWN]
    assert training.gate.why.endswith(".")
    assert 0 < len(training.answered) <= len(training.asked)
    result = json.loads(json.dumps(dict(training.result), allow_nan=False))
    assert result == training.result
    assert learnt.kind.shown_training({**result, "until": learnt.loaded.metadata.until})
    assert json.loads(json.dumps(dict(training.facts), allow_nan=False)) == training.facts


@pytest.mark.parametrize("name", KINDS)
def test_a_saved_model_answers_as_before(name: str, learn: Callable[[str], Learnt], tmp_path: Path) -> None:
    learnt = learn(name)
    with pytest.raises(ModelMismatchError):
        learnt.kind.load(tmp_path)
    learnt.training.model.save(tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} <= {".json", ".txt"}
    found = learnt.kind.load(tmp_path).table(learnt.training.asked)
    pd.testing.assert_frame_equal(found, learnt.training.answered, check_exact=True)


@pytest.mark.parametrize("name", KINDS)
def test_stored_forecasts_come_back_to_the_last_digit(
    name: str, learn: Callable[[str], Learnt], tmp_path: Path
) -> None:
    learnt = learn(name)
    database = create_workspace(tmp_path / "fleet", SPEC).database
    stored, new = store_forecasts(database, learnt.forecasts)
    assert new
    found, restored = stored_forecasts(database, name)
    assert (found.set_id, found.size) == (stored.set_id, len(learnt.forecasts))
    assert [each.entity_id for each in restored] == sorted(each.entity_id for each in learnt.forecasts)
    assert [repr(each) for each in restored] == [repr(each) for each in learnt.forecasts]
    assert [each.ranks for each in restored] == [each.ranks for each in learnt.forecasts]
    assert store_forecasts(database, learnt.forecasts) == (stored, False)


@pytest.mark.parametrize("name", KINDS)
def test_answers_have_a_sentence_reasons_and_json_values(name: str, learn: Callable[[str], Learnt]) -> None:
    learnt = learn(name)
    for forecast in learnt.forecasts:
        said = learnt.kind.answer(forecast)
        assert (said.kind, said.entity_id, said.cutoff) == (name, forecast.entity_id, forecast.cutoff)
        assert said.sentence
        assert said.sentence == said.sentence.strip().removesuffix(".")
        assert (said.reason is None) or said.reason.strip()
        assert all(each.strip() for each in said.reasons)
        values = dict(said.values)
        assert json.loads(json.dumps(values, allow_nan=False)) == values
        assert said.data_as_of is None or said.data_as_of <= said.cutoff
        assert said.model_version == "1"


@pytest.mark.parametrize("name", KINDS)
def test_a_backtest_names_the_options_it_refuses_or_misses(name: str, fleet_workspace: Workspace) -> None:
    asked = BacktestRequest(kind=name, hold_out="newest", act_within="1d", train_until=["2025-01-01"])
    with pytest.raises(SettingsError, match=r"--act-within, --hold-out means|needs --test-from, --test-until"):
        kind_of(name).backtest(fleet_workspace, asked, None)
