"""Anomalies of a workspace: trained once at a rate that is held, scored and listed beside the other kinds."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from aftercast.cli.main import run as aftercast
from aftercast.data.ingest.batches import Batch
from aftercast.data.ingest.importer import ingest
from aftercast.data.workspace import Workspace
from aftercast.models.forecast import AlarmForecast
from aftercast.models.kinds import kind_of
from aftercast.models.kinds.anomaly.backtest import announced_failures
from aftercast.models.registry.versions import load_champion
from aftercast.models.scoring.forecast_store import make_forecasts, stored_forecasts
from aftercast.operations.clocks import parse_time
from aftercast.operations.errors import InputError, LookAheadError, NotEnoughDataError, SettingsError
from aftercast.pipelines.score import run_score
from aftercast.pipelines.train import run_train

DAY = pd.Timedelta(days=1)
RATE = 0.3


def settings(workspace: Workspace, **values: Any) -> Any:
    return kind_of("anomaly").settings({"rate": RATE, **values}, workspace.fleet)


@pytest.fixture
def scored(own_fleet: Workspace) -> tuple[Workspace, dict[str, Any]]:
    """Fleet with an anomaly champion whose forecasts of the latest cutoff are stored; and what the training said."""
    result = run_train(own_fleet, "anomaly", settings=settings(own_fleet)).result
    run_score(own_fleet)
    return own_fleet, result


def forecasts(workspace: Workspace, cutoff: pd.Timestamp | None = None) -> list[AlarmForecast]:
    return cast("list[AlarmForecast]", stored_forecasts(workspace.database, "anomaly", cutoff)[1])


def test_a_champion_holds_the_rate_and_judges_every_device_in_the_field(
    scored: tuple[Workspace, dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    workspace, result = scored
    assert (result["champion"], result["rate"]) == (True, RATE)
    assert result["reference_rate_at_most"] <= RATE
    assert f"{RATE:g} were asked for" in result["decision"]
    found = forecasts(workspace)
    failing = stored_forecasts(workspace.database, "failure")[1]
    assert [each.entity_id for each in found] == [each.entity_id for each in failing]
    for each in found:
        assert each.state in {"unusual", "dark", "not judged", "usual"}
        assert (each.state == "unusual") == (each.strength is not None and each.strength >= each.alarm_from)
        assert each.data_as_of is None or each.data_as_of <= each.cutoff
        assert (each.since is not None) <= (each.state in {"unusual", "dark"})
    assert any(each.data_as_of is not None for each in found if each.state == "usual")
    states = [each.state for each in sorted(found, key=lambda each: -each.ranks[0])]
    order = ["unusual", "dark", "not judged", "usual"]
    assert [order.index(state) for state in states] == sorted(order.index(state) for state in states)
    aftercast_ok("explain", "anomaly", found[0].entity_id, "--json", "-w", str(workspace.folder))
    told = json.loads(capsys.readouterr().out)
    assert told["state"] == found[0].state
    assert not {name for name in told if "prob" in name or "risk" in name}
    aftercast_ok("explain", "anomaly", found[0].entity_id, "-w", str(workspace.folder))
    assert kind_of("anomaly").answer(found[0]).sentence in capsys.readouterr().out


def test_the_same_training_is_done_once_and_another_rate_is_another(
    own_fleet: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ["-w", str(own_fleet.folder)]
    aftercast_ok("train", "anomaly", "--set", f"rate={RATE}", *place)
    shown = capsys.readouterr().out
    assert f"at most {RATE:g} asked" in shown
    assert "A score is no probability." in shown
    again = run_train(own_fleet, "anomaly", settings=settings(own_fleet))
    assert again.repeated
    higher = run_train(own_fleet, "anomaly", settings=settings(own_fleet, rate="2"))
    assert higher.repeated is False
    assert higher.result["alarm_from"] < again.result["alarm_from"]


def test_a_fleet_is_not_judged_beyond_its_data_or_by_what_came_later(
    scored: tuple[Workspace, dict[str, Any]],
) -> None:
    workspace, _ = scored
    until = workspace.store.observed_until()
    assert until is not None
    with pytest.raises(InputError, match="later than the data"):
        run_score(workspace, cutoff=until + DAY)
    loaded, version = load_champion(workspace, "anomaly"), workspace.store.version()
    learnt = parse_time(loaded.metadata.facts["learnt_until"])
    with pytest.raises(LookAheadError, match="after the cutoff"):
        make_forecasts(workspace, loaded, learnt - DAY, version=version)
    with pytest.raises(NotEnoughDataError, match="no telemetry before"):
        run_train(workspace, "anomaly", until=parse_time("2020-01-01"))


def test_what_is_known_later_changes_no_earlier_forecast(own_fleet: Workspace) -> None:
    until = own_fleet.store.observed_until()
    assert until is not None
    earlier = until.normalize() - 10 * DAY
    run_train(own_fleet, "anomaly", until=earlier, settings=settings(own_fleet))
    loaded, version = load_champion(own_fleet, "anomaly"), own_fleet.store.version()
    cutoff = parse_time(loaded.metadata.facts["learnt_until"]) + 4 * DAY
    before = list(make_forecasts(own_fleet, loaded, cutoff, version=version).forecasts)
    ids = [before[0].entity_id, before[-1].entity_id]
    late = own_fleet.store.read("telemetry", known_at=cutoff, device_ids=ids)
    numbers = [sensor.name for sensor in own_fleet.fleet.sensors if not sensor.cumulative]
    changed = late.assign(available_at=cutoff + DAY, **{name: late[name] * 1.5 for name in numbers})
    add(own_fleet, changed)
    after = list(make_forecasts(own_fleet, loaded, cutoff, version=own_fleet.store.version()).forecasts)
    assert after == [replace(each, data_version=after[0].data_version) for each in before]


def add(workspace: Workspace, telemetry: pd.DataFrame) -> None:
    report = ingest(workspace.store, [Batch("telemetry", telemetry, "late")], workspace.fleet, origin="test")
    assert report.tables["telemetry"].kept > 0


def test_a_backtest_tells_the_rate_held_later_and_the_failures_it_announced(
    own_fleet: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    until = own_fleet.store.observed_until()
    assert until is not None
    middle, last = (f"{until - days * DAY:%Y-%m-%d}" for days in (30, 7))
    report, page, rows = tmp_path / "report.json", tmp_path / "page.html", tmp_path / "rows.parquet"
    files = ["--json", str(report), "--html", str(page), "--forecasts", str(rows)]
    period = ["--train-until", middle, "--test-until", last]
    aftercast_ok("backtest", "anomaly", *period, *files, "--set", f"rate={RATE}", "-w", str(own_fleet.folder))
    shown = capsys.readouterr().out
    assert "test period" in shown
    assert "failures had an unusual row within 7d before" in shown
    told = json.loads(report.read_text(encoding="utf-8"))
    assert told["alarms_per_device_month"]["reference"]["at_most"] <= RATE
    assert 0 <= told["announced"] <= told["failures"]
    assert 0 <= told["announced_by_chance"] <= 1
    frame = pq.read_table(rows).to_pandas()
    assert frame["cutoff"].min() > parse_time(middle) - DAY
    assert frame["cutoff"].max() <= parse_time(last)
    assert "reference period" in page.read_text(encoding="utf-8")


def test_a_failure_is_announced_by_an_unusual_row_within_the_horizon_before_it() -> None:
    day, zero = DAY, parse_time("2025-01-01")
    scored = pd.DataFrame(
        {
            "device_id": np.repeat(["a", "b"], 10),
            "cutoff": [zero + k * day for k in range(10)] * 2,
            "state": ["usual"] * 4 + ["unusual"] + ["usual"] * 15,
        }
    )
    moments = {"a": (2.5, 4.5, 5.5, 6.5, 20.0), "b": (4.5,), "c": (4.5,)}
    failures = pd.DataFrame(
        [{"device_id": name, "event_time": zero + at * day} for name, days in moments.items() for at in days]
    )
    span = 2 * 86_400_000_000
    found, announced, by_chance = announced_failures(scored, failures, span, span // 2)
    assert (found, announced) == (5, 2)  # of "a" at 4.5 and 5.5 days; 20 days lie after the test, "c" is not in it
    assert by_chance == pytest.approx(2 / 20)


def test_options_that_mean_nothing_to_it_are_refused_by_name(own_fleet: Workspace) -> None:
    for words in (["--every", "6h"], ["--hold-out", "newest"], ["--no-shift"], ["--retrain", "daily"]):
        with pytest.raises(SystemExit) as ended:
            aftercast(["backtest", "anomaly", *words, "--train-until", "2025-01-01", "-w", str(own_fleet.folder)])
        assert ended.value.code == 2
    with pytest.raises(SettingsError, match="'ratio', did you mean 'rate'"):
        settings(own_fleet, ratio=1)
    with pytest.raises(SettingsError, match="not a duration"):
        settings(own_fleet, quiet="soon")


def aftercast_ok(*words: str) -> None:
    """Run a command that has to end well."""
    with pytest.raises(SystemExit) as ended:
        aftercast(list(words))
    assert ended.value.code == 0
