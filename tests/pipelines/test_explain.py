"""Explain: the same answer as everywhere, everything a visit needs, and clear words where there is nothing to say."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest

from aftercast.data.clocks import parse_time
from aftercast.data.errors import NotFoundError
from aftercast.data.workspace import Workspace
from aftercast.models.answers import Score, answer
from aftercast.models.score_records import stored_scores
from aftercast.pipelines.cli.main import run as aftercast
from aftercast.pipelines.explain import Explanation, explain_device


@pytest.fixture(scope="module")
def riskiest(fleet_workspace: Workspace) -> Score:
    return max(stored_scores(fleet_workspace.database, "failure")[1], key=lambda score: score.any_risk[-1])


@pytest.fixture(scope="module")
def found(fleet_workspace: Workspace, riskiest: Score) -> Explanation:
    return explain_device(fleet_workspace, riskiest.entity_id)


def test_it_says_what_the_stored_scores_say(found: Explanation, riskiest: Score) -> None:
    said = answer(riskiest, "7d")
    assert found.answer == said
    ranked = sorted(said.components.values(), reverse=True)
    assert [probability for _, probability, _ in found.components] == ranked[:3]
    assert all(sku == f"SKU-{name.upper()}" for name, _, sku in found.components)


def test_another_cutoff_and_horizon_are_explained_from_what_was_known_then(
    fleet_workspace: Workspace, riskiest: Score
) -> None:
    moment = riskiest.cutoff - pd.Timedelta(days=10)
    earlier = explain_device(fleet_workspace, riskiest.entity_id, cutoff=moment, horizon="24h", components=1, cases=2)
    assert (earlier.answer.cutoff, earlier.answer.horizon) == (moment, "24h")
    assert len(earlier.components) == len(earlier.signs) == 1
    assert len(earlier.cases) == 2
    for case, repairs in earlier.cases:
        assert case.cutoff + pd.Timedelta(days=1) <= moment
        assert all(repair.opened_at <= moment for repair in repairs)


def test_a_machine_gets_the_same_as_json(
    fleet_workspace: Workspace, found: Explanation, capsys: pytest.CaptureFixture[str]
) -> None:
    told = printed(fleet_workspace, capsys, found.answer.entity_id, "--json")
    content: dict[str, Any] = json.loads(told)
    assert content["probability"] == found.answer.probability
    assert [case["device_id"] for case in content["cases"]] == [case.device_id for case, _ in found.cases]
    assert [part["sku"] for part in content["parts"]] == [part.sku for part in found.parts]
    assert parse_time(content["cutoff"]) == found.answer.cutoff


def test_a_person_reads_why_and_what_became_of_cases_like_it(
    fleet_workspace: Workspace, found: Explanation, capsys: pytest.CaptureFixture[str]
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
        explain_device(fleet_workspace, "nobody")


def test_a_device_not_yet_installed_is_refused_with_the_day(fleet_workspace: Workspace) -> None:
    devices = fleet_workspace.store.read("devices").drop_duplicates("device_id", keep="last")
    late = devices.sort_values("installed_at").iloc[-1]
    before = late["installed_at"].normalize() - pd.Timedelta(days=1)
    with pytest.raises(NotFoundError, match=r"cannot be explained: the device (is installed|was not known)"):
        explain_device(fleet_workspace, str(late["device_id"]), cutoff=before)


def printed(workspace: Workspace, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What the command prints."""
    with pytest.raises(SystemExit) as ended:
        aftercast(["explain", *words, "-w", str(workspace.folder)])
    assert ended.value.code == 0
    return capsys.readouterr().out
