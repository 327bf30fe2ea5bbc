"""Frames of remaining life from a store: lives begin and end where they should, and nothing later changes a bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pytest

from aftercast.data.fleet import Component, FleetSpec, Sensor
from aftercast.data.ingest import Batch, ingest
from aftercast.data.workspace import Workspace, create_workspace
from aftercast.models.kind import Reading
from aftercast.models.kinds.remaining_life.baseline import age_only
from aftercast.models.kinds.remaining_life.evaluation import Sample, rmse_difference
from aftercast.models.kinds.remaining_life.from_store import Asked, FailedUnits, asked_of, failed_units, natural
from aftercast.models.kinds.remaining_life.running import RunningUnits, running_units
from aftercast.models.kinds.remaining_life.settings import RemainingLifeSettings
from aftercast.models.kinds.remaining_life.trajectories import read_trajectories
from aftercast.operations.clocks import parse_time
from aftercast.operations.errors import InputError, NotEnoughDataError

BEGAN: Final = parse_time("2025-01-01")
NOW: Final = parse_time("2025-03-01")
DAY, SOON = pd.Timedelta(days=1), pd.Timedelta(microseconds=1)
SETTINGS: Final = RemainingLifeSettings(setting_columns=("speed",), folds=2, youngest=5)
ASKED: Final = Asked("rotor", ("speed",), ("heat", "flow"))


def spec(*, repairable: bool = True, **more: Any) -> FleetSpec:
    return FleetSpec(
        name="lives",
        sensors=tuple(Sensor(name=name) for name in ("speed", "heat", "flow")),
        components=(Component(name="rotor", repairable=repairable),),
        **more,
    )


def device(name: str, *, available: pd.Timestamp = BEGAN, **more: Any) -> dict[str, Any]:
    row = {"device_id": name, "device_model": "M", "installed_at": BEGAN, "retired_at": pd.NaT}
    return {**row, "available_at": available, **more}


def days(name: str, first: int, last: int, **more: Any) -> list[dict[str, Any]]:
    """Telemetry of a day each, both ends included; the heat tells the day."""
    return [
        {
            "device_id": name,
            "event_time": BEGAN + day * DAY,
            "speed": 1.0,
            "heat": float(day),
            "flow": 0.5 * day,
            "available_at": BEGAN + day * DAY,
            **more,
        }
        for day in range(first, last + 1)
    ]


def failure(name: str, day: float, late: float = 0.0) -> dict[str, Any]:
    moment = BEGAN + day * DAY
    return {"device_id": name, "event_time": moment, "component": "rotor", "available_at": moment + late * DAY}


def repair(name: str, day: float, kind: str = "corrective", late: float = 0.0) -> dict[str, Any]:
    moment = BEGAN + day * DAY
    return {
        "work_order_id": f"{name}-{day}",
        "device_id": name,
        "opened_at": moment,
        "closed_at": moment,
        "kind": kind,
        "component": "rotor",
        "outcome": "replaced",
        "available_at": moment + late * DAY,
    }


def add(workspace: Workspace, **tables: list[dict[str, Any]]) -> None:
    """Import rows, none of which may be refused."""
    batches = [Batch(name, _timed(pd.DataFrame(rows)), f"{name}.csv") for name, rows in tables.items()]
    report = ingest(workspace.store, batches, workspace.fleet, origin="test")
    assert {name: (table.kept, table.quarantined) for name, table in report.tables.items()} == {
        name: (len(rows), {}) for name, rows in tables.items()
    }


def _timed(frame: pd.DataFrame) -> pd.DataFrame:
    times = [name for name in frame.columns if name.endswith(("_at", "_time"))]
    return frame.assign(**{name: pd.to_datetime(frame[name], utc=True).astype("datetime64[us, UTC]") for name in times})


def made(folder: Path, fleet: FleetSpec) -> Workspace:
    """Workspace of two device buckets, which are soon read."""
    place = create_workspace(folder, fleet)
    store = place.settings.store.model_copy(update={"device_buckets": 2})
    return replace(place, settings=place.settings.model_copy(update={"store": store}))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return made(tmp_path / "fleet", spec())


@pytest.fixture
def filled(workspace: Workspace) -> Workspace:
    """Five devices failed (M10 was repaired and runs again), one renewed in time, two run, one is too young."""
    names = ("M1", "M2", "M3", "M4", "M10", "M11", "M12", "M13", "M14")
    telemetry = [
        row for name, end in zip(names, (20, 25, 30, 22, 40, 40, 58, 58, 3), strict=True) for row in days(name, 1, end)
    ]
    add(
        workspace,
        devices=[device(name) for name in names],
        telemetry=telemetry,
        failures=[failure("M1", 21), failure("M2", 26), failure("M3", 31), failure("M4", 23), failure("M10", 28.5)],
        repairs=[repair("M10", 28.6), repair("M11", 30, "preventive")],
    )
    return workspace


def failed(workspace: Workspace, known_at: pd.Timestamp = NOW, **more: Any) -> FailedUnits:
    store = workspace.store
    settings = replace(SETTINGS, **more)
    return failed_units(Reading(store, workspace.fleet, store.version(), known_at), ASKED, settings)


def running(workspace: Workspace, known_at: pd.Timestamp = NOW) -> RunningUnits:
    store = workspace.store
    return running_units(Reading(store, workspace.fleet, store.version(), known_at), ASKED, SETTINGS)


def cycles_of(frame: pd.DataFrame, unit: str) -> list[float]:
    """Days of the rows of a unit, which the heat tells."""
    return frame.loc[frame["unit"] == unit, "heat"].tolist()


def notices(found: RunningUnits) -> dict[str, str]:
    """Unit -> its notice, empty where there is none."""
    return {row["unit"]: row["notice"] or "" for row in found.units.to_dict("records")}


def test_units_run_to_failure_have_a_cycle_for_each_row_up_to_their_failure(filled: Workspace) -> None:
    found = failed(filled)
    assert found.frame["unit"].unique().tolist() == ["M1", "M2", "M3", "M4", "M10"]
    assert list(found.frame.columns) == ["unit", "cycle", "speed", "heat", "flow"]
    assert found.frame.loc[found.frame["unit"] == "M2", "cycle"].tolist() == list(range(1, 26))
    assert cycles_of(found.frame, "M2") == [float(day) for day in range(1, 26)]
    read_trajectories(found.frame, ASKED.settings, ASKED.sensors)


def test_a_repaired_device_restarts_at_its_renewal(filled: Workspace) -> None:
    assert cycles_of(failed(filled).frame, "M10") == [float(day) for day in range(1, 29)]
    now = running(filled)
    assert cycles_of(now.frame, "M10") == [float(day) for day in range(29, 41)]
    assert now.frame.loc[now.frame["unit"] == "M10", "cycle"].tolist() == list(range(1, 13))
    assert now.units.set_index("unit").loc["M10", "since"] == BEGAN + 28.6 * DAY


def test_a_life_renewed_in_time_is_no_life_run_to_failure(filled: Workspace) -> None:
    assert "M11" not in set(failed(filled).frame["unit"])
    # the row at the instant of the renewal belongs to the life it ended
    assert cycles_of(running(filled).frame, "M11") == [float(day) for day in range(31, 41)]


def test_of_several_failures_of_a_device_the_last_life_counts(filled: Workspace) -> None:
    add(filled, failures=[failure("M10", 41)])
    found = failed(filled)
    assert found.frame["unit"].nunique() == 5
    assert cycles_of(found.frame, "M10") == [float(day) for day in range(29, 41)]


def test_a_failure_at_the_instant_of_its_repair_ends_the_life(filled: Workspace) -> None:
    add(filled, failures=[failure("M12", 40)], repairs=[repair("M12", 40)])
    assert cycles_of(failed(filled).frame, "M12") == [float(day) for day in range(1, 41)]
    assert cycles_of(running(filled).frame, "M12") == [float(day) for day in range(41, 59)]


def test_what_is_not_repaired_does_not_run_again_after_its_failure(tmp_path: Path) -> None:
    workspace = made(tmp_path / "fleet", spec(repairable=False))
    names = ("M1", "M2", "M3", "M4")
    add(
        workspace,
        devices=[device(name) for name in names],
        telemetry=[row for name in names for row in days(name, 1, 30)],
        failures=[failure(name, 20) for name in names],
    )
    assert cycles_of(failed(workspace).frame, "M1") == [float(day) for day in range(1, 21)]
    assert len(running(workspace).units) == 0


def test_fleets_whose_failures_are_repairs_are_read_too(tmp_path: Path) -> None:
    workspace = made(tmp_path / "fleet", spec(failures_from="repairs"))
    names = ("M1", "M2", "M3", "M4")
    add(
        workspace,
        devices=[device(name) for name in names],
        telemetry=[row for name in names for row in days(name, 1, 30)],
        repairs=[repair(name, 20.5) for name in names],
    )
    assert cycles_of(failed(workspace).frame, "M1") == [float(day) for day in range(1, 21)]
    assert cycles_of(running(workspace).frame, "M1") == [float(day) for day in range(21, 31)]


def later(workspace: Workspace) -> None:
    """What became known a microsecond after NOW: of the days before it, of NOW itself, corrections, failures."""
    add(
        workspace,
        devices=[device("M12", available=NOW + SOON, retired_at=BEGAN + 30 * DAY), device("M99", available=NOW + SOON)],
        telemetry=[
            *({**row, "heat": -9.0, "available_at": NOW + SOON} for name in ("M1", "M12") for row in days(name, 5, 9)),
            *({**row, "event_time": row["event_time"] + DAY / 2} for row in days("M2", 5, 9, available_at=NOW + SOON)),
            *days("M13", 59, 59, event_time=NOW, available_at=NOW + SOON),
        ],
        failures=[
            {**failure("M12", 50), "available_at": NOW + SOON},
            {**failure("M1", 14), "available_at": NOW + SOON},
        ],
        repairs=[
            {**repair("M13", 40, "preventive"), "available_at": NOW + SOON},
            {**repair("M10", 28.6), "closed_at": BEGAN + 34 * DAY, "available_at": NOW + SOON},
        ],
    )


def test_nothing_known_later_changes_a_bit(filled: Workspace) -> None:
    before = (failed(filled).frame, running(filled).frame, running(filled).units)
    later(filled)
    after = (failed(filled).frame, running(filled).frame, running(filled).units)
    for left, right in zip(after, before, strict=True):
        pd.testing.assert_frame_equal(left, right, check_exact=True)


def test_it_counts_as_soon_as_it_is_known(filled: Workspace) -> None:
    """So that the test before this one could have failed for each of the facts."""
    later(filled)
    ended, now = failed(filled, NOW + SOON), running(filled, NOW + SOON)
    assert cycles_of(ended.frame, "M1") == [15.0, 16.0, 17.0, 18.0, 19.0, 20.0]
    assert len(cycles_of(ended.frame, "M2")) == 30
    assert cycles_of(ended.frame, "M12")[3:6] == [4.0, -9.0, -9.0]
    assert cycles_of(now.frame, "M13")[0] == 41.0
    assert cycles_of(now.frame, "M13")[-1] == 59.0
    assert cycles_of(now.frame, "M10") == [35.0, 36.0, 37.0, 38.0, 39.0, 40.0]
    assert "M99" in set(now.units["unit"])
    assert notices(now)["M12"] == "Retired 2025-01-31."


def test_at_an_earlier_instant_a_unit_that_fails_later_still_runs(filled: Workspace) -> None:
    now = running(filled, BEGAN + 10 * DAY)
    assert cycles_of(now.frame, "M2") == [float(day) for day in range(1, 11)]
    assert set(now.frame["unit"]) == {"M1", "M2", "M3", "M4", "M10", "M11", "M12", "M13"}


def test_too_few_units_are_refused_with_their_count(filled: Workspace) -> None:
    with pytest.raises(NotEnoughDataError, match=r"5 units run to a failure of 'rotor'.* 3 folds need 6.*devices: 5"):
        failed(filled, folds=3)
    with pytest.raises(NotEnoughDataError, match=r"0 units .* devices: 5, 5 too short"):
        failed(filled, youngest=30)
    with pytest.raises(NotEnoughDataError, match="0 units"):
        failed(filled, BEGAN)


def test_a_life_whose_telemetry_ended_long_before_the_failure_is_left_out(filled: Workspace) -> None:
    add(filled, failures=[failure("M14", 12), failure("M13", 58 + 3.1)])
    found = failed(filled, NOW + 30 * DAY)
    assert "M13" not in set(found.frame["unit"])
    assert found.left_out == {"failed": 7, "too short": 1, "silent before the failure": 1, "without every sensor": 0}


def test_gaps_are_carried_forward_and_never_back(workspace: Workspace) -> None:
    names = ("M1", "M2", "M3", "M4")
    rows = [row for name in names for row in days(name, 1, 20)]
    for row in rows:
        day = (row["event_time"] - BEGAN) // DAY
        row["flow"] = np.nan if day in (1, 2, 9, 20) else row["flow"]
    failures = [failure(name, 21) for name in names]
    add(workspace, devices=[device(name) for name in names], telemetry=rows, failures=failures)
    frame = failed(workspace).frame
    one = frame[frame["unit"] == "M1"].set_index("cycle")
    assert one.index.tolist() == list(range(3, 21))
    assert one.loc[[8, 9, 20], "flow"].tolist() == [4.0, 4.0, 9.5]


def test_a_sensor_that_few_units_report_is_left_out_and_a_unit_without_a_common_one_too(workspace: Workspace) -> None:
    names = [f"M{k}" for k in range(8)]
    rows = [row for name in names for row in days(name, 1, 20)]
    for row in rows:
        row["flow"] = row["flow"] if row["device_id"] in names[:3] else np.nan
        row["heat"] = np.nan if row["device_id"] == "M7" else row["heat"]
    failures = [failure(name, 21) for name in names]
    add(workspace, devices=[device(name) for name in names], telemetry=rows, failures=failures)
    found = failed(workspace)
    assert found.asked.sensors == ("heat",)
    assert found.frame["unit"].nunique() == 7
    assert found.left_out["without every sensor"] == 1


def test_units_that_cannot_be_judged_are_listed_with_what_is_needed(filled: Workspace) -> None:
    extra = [{**row, "flow": np.nan} for row in days("M15", 1, 50)]
    add(
        filled,
        devices=[device("M15"), device("M16"), device("M17", retired_at=NOW - DAY, available=NOW - DAY)],
        telemetry=extra,
    )
    found = running(filled)
    units = found.units.set_index("unit")
    assert units.index.tolist()[-3:] == ["M14", "M15", "M16"]
    assert set(found.frame["unit"]) == set(units.index[units["judged"]])
    assert units.index[units["last_cycle_at"].isna()].tolist() == ["M1", "M2", "M3", "M4", "M16"]
    told = notices(found)
    assert "3 cycles since 2025-01-01, 6 are needed" in told["M14"]
    assert "'flow' was never reported" in told["M15"]
    assert "0 cycles" in told["M16"]


def test_a_retired_or_silent_unit_says_so(filled: Workspace) -> None:
    add(filled, devices=[device("M12", available=NOW, retired_at=NOW)])
    told = notices(running(filled))
    assert told["M12"] == "Retired 2025-03-01."
    assert told["M10"] == "Silent since 2025-02-10."
    assert told["M13"] == ""


def test_a_fleet_of_several_components_has_to_be_told_which() -> None:
    two = spec().model_copy(update={"components": (Component(name="rotor"), Component(name="pump"))})
    with pytest.raises(InputError, match="2 components"):
        asked_of(two)
    assert asked_of(two, "pump").component == "pump"
    with pytest.raises(InputError, match="no component 'wing'"):
        asked_of(two, "wing")


def test_settings_are_named_or_found_by_their_name() -> None:
    named = spec().model_copy(update={"sensors": (Sensor(name="setting_speed"), Sensor(name="heat"))})
    assert asked_of(named) == Asked("rotor", ("setting_speed",), ("heat",))
    assert asked_of(spec(), settings=["speed"]) == ASKED
    with pytest.raises(InputError, match="no sensor 'torque'"):
        asked_of(spec(), settings=["torque"])
    with pytest.raises(InputError, match="no sensor to learn from"):
        asked_of(named, settings=["setting_speed", "heat"])


def test_numbers_within_names_count_as_numbers() -> None:
    assert sorted(["e10b", "e9", "e10a", "9"], key=natural) == ["9", "e9", "e10a", "e10b"]


def test_the_age_baseline_is_the_mean_life_left_at_that_age() -> None:
    frame = pd.concat(
        [pd.DataFrame({"unit": k, "cycle": range(1, end + 1), "heat": 0.0}) for k, end in enumerate((4, 8))]
    )
    train = read_trajectories(frame, (), ("heat",))
    asked = read_trajectories(pd.DataFrame({"unit": "a", "cycle": [1, 5, 99], "heat": 0.0}), (), ("heat",))
    assert age_only(train, asked, 6.0).tolist() == [(3 + 6) / 2, 3.0, 0.0]


def test_a_difference_of_errors_is_of_the_same_draws_of_units() -> None:
    truth, unit = np.tile([10.0, 20.0], 30), np.repeat(np.arange(30), 2)
    hard = np.repeat(np.random.default_rng(0).uniform(1, 20, 30), 2)
    weight = np.full(60, 0.5)
    worse, better = (Sample(truth + hard + extra, truth, unit, weight) for extra in (1.0, 0.0))
    found = rmse_difference(better, worse, SETTINGS)
    expected = np.sqrt(np.mean(hard**2)) - np.sqrt(np.mean((hard + 1) ** 2))
    assert found[0] == pytest.approx(expected)
    assert -1 < found[1] < found[0] < found[2] < 0
    assert rmse_difference(better, better, SETTINGS) == [0.0, 0.0, 0.0]
