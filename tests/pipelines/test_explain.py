"""Explain: the same answer as everywhere, everything a visit needs, and clear words where there is nothing to say."""

from __future__ import annotations

import json
from typing import Any, cast

import pandas as pd
import pytest

from aftercast.cli.main import run as aftercast
from aftercast.data.workspace import Workspace
from aftercast.models.hazard.forecast import HazardForecast
from aftercast.models.kind import Gate
from aftercast.models.registry.versions import load_champion, promote, register
from aftercast.models.scoring.forecast_store import stored_forecasts
from aftercast.models.scoring.snapshot import snapshot_path
from aftercast.models.scoring.snapshot_file import load_snapshot
from aftercast.models.words.answers import answer
from aftercast.models.words.explanation import HazardExplanation, explain
from aftercast.operations.clocks import parse_time
from aftercast.operations.database.inbox import InboxBatch, put_batch
from aftercast.operations.errors import NotFoundError
from aftercast.pipelines.drain import run_drain
from aftercast.serving.model_holder import Champions


@pytest.fixture(scope="module")
def riskiest(fleet_workspace: Workspace) -> HazardForecast:
    scores = cast("list[HazardForecast]", stored_forecasts(fleet_workspace.database, "failure")[1])
    return max(scores, key=lambda score: score.any_risk[-1])


@pytest.fixture(scope="module")
def found(fleet_workspace: Workspace, riskiest: HazardForecast) -> HazardExplanation:
    return explain(fleet_workspace, "failure", riskiest.entity_id)


def test_it_says_what_the_stored_forecasts_say(found: HazardExplanation, riskiest: HazardForecast) -> None:
    said = answer(riskiest, "7d")
    assert found.answer == said
    ranked = sorted(said.components.values(), reverse=True)
    assert [probability for _, probability, _ in found.components] == ranked[:3]
    assert all(sku == f"SKU-{name.upper()}" for name, _, sku in found.components)


def test_another_cutoff_and_horizon_are_explained_from_what_was_known_then(
    fleet_workspace: Workspace, riskiest: HazardForecast
) -> None:
    moment = riskiest.cutoff - pd.Timedelta(days=10)
    earlier = explain(
        fleet_workspace, "failure", riskiest.entity_id, cutoff=moment, horizon="24h", components=1, cases=2
    )
    assert (earlier.answer.cutoff, earlier.answer.horizon) == (moment, "24h")
    assert len(earlier.components) == len(earlier.signs) == 1
    assert len(earlier.cases) == 2
    for case, repairs in earlier.cases:
        assert case.cutoff + pd.Timedelta(days=1) <= moment
        assert all(repair.opened_at <= moment for repair in repairs)


def test_a_machine_gets_the_same_as_json(
    fleet_workspace: Workspace, found: HazardExplanation, capsys: pytest.CaptureFixture[str]
) -> None:
    told = printed(fleet_workspace, capsys, found.answer.entity_id, "--json")
    content: dict[str, Any] = json.loads(told)
    assert content["probability"] == found.answer.probability
    assert [case["entity_id"] for case in content["cases"]] == [case.entity_id for case, _ in found.cases]
    assert [part["sku"] for part in content["parts"]] == [part.sku for part in found.parts]
    assert parse_time(content["cutoff"]) == found.answer.cutoff


def test_a_person_reads_why_and_what_became_of_cases_like_it(
    fleet_workspace: Workspace, found: HazardExplanation, capsys: pytest.CaptureFixture[str]
) -> None:
    told = printed(fleet_workspace, capsys, found.answer.entity_id)
    assert found.answer.sentence in told
    assert "Similar past cases" in told
    for driver in found.answer.drivers:
        assert driver.text in told
    for part in found.parts:
        assert f"Bring {part.sku}: {part.repairs} of {part.of} of these repairs used it" in told


def test_an_unknown_device_is_refused_with_the_reason(fleet_workspace: Workspace) -> None:
    with pytest.raises(NotFoundError, match="Device nobody cannot be explained: the device was not known at"):
        explain(fleet_workspace, "failure", "nobody")


def test_a_device_not_yet_installed_is_refused_with_the_day(fleet_workspace: Workspace) -> None:
    devices = fleet_workspace.store.read("devices").drop_duplicates("device_id", keep="last")
    late = devices.sort_values("installed_at").iloc[-1]
    before = late["installed_at"].normalize() - pd.Timedelta(days=1)
    with pytest.raises(NotFoundError, match=r"cannot be explained: the device (is installed|was not known)"):
        explain(fleet_workspace, "failure", str(late["device_id"]), cutoff=before)


def printed(workspace: Workspace, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What the command prints."""
    with pytest.raises(SystemExit) as ended:
        aftercast(["explain", "failure", *words, "-w", str(workspace.folder)])
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_a_device_whose_records_were_drained_is_explained_from_its_own_row_and_all_that_was_known_then(
    own_fleet: Workspace, found: HazardExplanation
) -> None:
    device_id = found.answer.entity_id
    codes = {sign.code for signs in found.signs.values() for sign in signs}
    later = _drain_faults(own_fleet, device_id, codes)
    after = explain(own_fleet, "failure", device_id, cases=2)
    assert after.answer.cutoff == later
    faults = own_fleet.store.read("faults", known_at=later, device_ids=[device_id])
    recent = faults.loc[faults["event_time"] > later - pd.Timedelta(days=7), "code"].value_counts()
    reported = {sign.code: sign.reported for signs in after.signs.values() for sign in signs}
    assert codes
    assert {code: reported[code] for code in codes} == {code: recent[code] for code in codes}
    assert all(repair.opened_at <= later for _, repairs in after.cases for repair in repairs)


def test_a_cutoff_asked_for_is_explained_from_what_was_known_then_after_a_drain_too(own_fleet: Workspace) -> None:
    before = load_snapshot(snapshot_path(own_fleet.folder, "failure"))
    device_id = str(before.ids[0])
    plain = explain(own_fleet, "failure", device_id, cutoff=before.cutoff, cases=0)
    _drain_faults(own_fleet, device_id, {own_fleet.fleet.fault_codes[0].code})
    again = explain(own_fleet, "failure", device_id, cutoff=before.cutoff, cases=0)
    assert again.answer.cutoff == before.cutoff
    assert again.signs == plain.signs
    assert again.answer.probability == pytest.approx(plain.answer.probability)
    assert again.answer.data_as_of == plain.answer.data_as_of


def test_after_a_promotion_a_drained_device_is_explained_from_the_row_the_service_answers_from(
    own_fleet: Workspace,
) -> None:
    device_id = str(load_snapshot(snapshot_path(own_fleet.folder, "failure")).ids[0])
    later = _drain_faults(own_fleet, device_id, {own_fleet.fleet.fault_codes[0].code})
    first = load_champion(own_fleet, "failure")
    second = register(own_fleet, "failure", first.run_id, "second", first.metadata.until)
    promote(own_fleet, second, Gate(passed=True, why="asked for."))
    champions = Champions(own_fleet)
    champions.refresh()
    champions.refresh()
    served = answer(champions.rows("failure").forecasts([device_id], 5)[device_id], "7d")
    found = explain(own_fleet, "failure", device_id, cases=0).answer
    assert (found.model_version, found.cutoff) == (second.version, later)
    assert found == served


def _drain_faults(workspace: Workspace, device_id: str, codes: set[str]) -> pd.Timestamp:
    """Drain faults reported three hours after all that was observed; gives the cutoff of the renewed row."""
    until = workspace.store.observed_until()
    assert until is not None
    later = until + pd.Timedelta(hours=3)
    at = {"event_time": later.isoformat(), "available_at": later.isoformat()}
    faults = tuple({"device_id": device_id, "code": code, **at} for code in sorted(codes))
    put_batch(workspace.database, InboxBatch("faults", "faults", faults, pd.Timestamp.now("UTC")))
    assert run_drain(workspace)["renewed"] == 1
    return later
