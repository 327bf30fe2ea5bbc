"""The anomaly view on simulated noise whose law is known: rate of alarms, what is found, and what may not matter."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from scipy.stats import poisson

from aftercast.data.fleet import Component, FeatureSettings, FleetSpec, Sensor
from aftercast.features.build import build_device_features
from aftercast.features.examples import Examples, device_examples
from aftercast.features.history import History
from aftercast.models.kinds.anomaly.episodes import AlarmRate, alarm_rate, episode_starts
from aftercast.models.kinds.anomaly.ignored import impossible_readings
from aftercast.models.kinds.anomaly.kernels import NORMAL, group_middle, own_past
from aftercast.models.kinds.anomaly.settings import AnomalySettings
from aftercast.models.kinds.anomaly.threshold import Calibration, choose_threshold
from aftercast.models.kinds.anomaly.view import FILE, AnomalyView, fit_anomaly_view
from aftercast.operations.clocks import DAY_US, HOUR_US, from_us
from aftercast.operations.errors import InputError, ModelMismatchError, NotEnoughDataError, SettingsError

Floats = npt.NDArray[np.float64]
START = pd.Timestamp("2024-01-01", tz="UTC").as_unit("us")
SENSORS = (
    Sensor(name="volt", unit="V"),
    Sensor(name="heat", unit="°C"),
    Sensor(name="hours", unit="h", cumulative=True),
)
SPEC = FleetSpec(
    name="small",
    sensors=SENSORS,
    components=(Component(name="pump"),),
    features=FeatureSettings(windows=("24h", "72h")),
)
PER_DAY = 4
Change = Callable[[dict[str, Floats]], None]


@dataclass(frozen=True)
class Fleet:
    """Features of every device at every midnight, built by the real views from readings every six hours."""

    features: pd.DataFrame
    examples: Examples

    def part(self, rows: npt.NDArray[np.bool_]) -> tuple[pd.DataFrame, Examples]:
        return self.features[rows].reset_index(drop=True), self.examples.take(rows)

    def until(self, day: int) -> tuple[pd.DataFrame, Examples]:
        return self.part(self.examples.cutoff_us <= START.value // 1000 + day * DAY_US)


def readings(devices: int, days: int, seed: int) -> dict[str, Floats]:
    """Noise around a level of each device's own, shape (devices, readings): the same law at all times."""
    rng = np.random.default_rng(seed)
    shape = (devices, days * PER_DAY)
    volt = 230 + rng.normal(0, 4, (devices, 1)) + rng.normal(0, 2, shape)
    return {"volt": volt, "heat": 40 + rng.normal(0, 3, (devices, 1)) + rng.normal(0, 1, shape)}


def built(values: dict[str, Floats], model: str = "M1") -> Fleet:
    devices, count = values["volt"].shape
    ids = [f"d{k:03d}" for k in range(devices)]
    hours = np.tile(np.arange(count) * 24 // PER_DAY + 24 // PER_DAY, devices)
    times = START + pd.to_timedelta(hours, unit="h")
    telemetry = pd.DataFrame(
        {
            "device_id": np.repeat(ids, count),
            "event_time": times,
            "available_at": times,
            "hours": np.arange(count * devices, dtype=np.float64),
            **{name: each.ravel() for name, each in values.items()},
        }
    ).astype({"device_id": "str"})
    installed = START - pd.Timedelta(days=400)
    standing = pd.DataFrame(
        {"device_id": ids, "device_model": model, "installed_at": installed, "available_at": installed}
    ).astype({"device_id": "str"})
    history = History.from_frames(SPEC, {"devices": standing, "telemetry": telemetry})
    cutoffs = START.value // 1000 + np.arange(1, count // PER_DAY + 1, dtype=np.int64) * DAY_US
    examples = device_examples(history, cutoffs)
    return Fleet(build_device_features(history, examples), examples)


DEVICES, DAYS, REFERENCE, BROKEN = 24, 150, 110, 7


@pytest.fixture(scope="module")
def calm() -> Fleet:
    return built(readings(DEVICES, DAYS, seed=1))


@pytest.fixture(scope="module")
def view(calm: Fleet) -> AnomalyView:
    return fit_anomaly_view(*calm.until(REFERENCE), SPEC, alarms_per_device_month=0.1)


def changed(change: Change) -> Fleet:
    """The calm fleet, with a change from the day after the reference period on."""
    values = readings(DEVICES, DAYS, seed=1)
    change(values)
    return built(values)


def of_device(scored: pd.DataFrame, day: int, device: int = BROKEN) -> pd.Series:
    rows = (scored["device_id"] == f"d{device:03d}") & (scored["cutoff"] == START + pd.Timedelta(days=day))
    return scored[rows].iloc[0]


def after(day: int) -> slice:
    return slice(day * PER_DAY, None)


# --- the rate ---------------------------------------------------------------------------------------------------------


def test_rate_is_held_on_exchangeable_noise() -> None:
    """Episodes of later months stay below the Poisson law's 99.99 % point at the rate asked, and alarms do come."""
    asked, seen, months = 0.3, 0, 0.0
    for seed in range(4):
        fleet = built(readings(40, 200, seed=100 + seed))
        found = fit_anomaly_view(*fleet.until(120), SPEC, alarms_per_device_month=asked)
        scored = found.score(fleet.features, fleet.examples)
        later = scored[scored["cutoff"] > START + pd.Timedelta(days=120)]
        offsets = np.append(np.flatnonzero(~later["device_id"].duplicated()), len(later))
        begun = (later["unusual_since"] == later["cutoff"]).to_numpy()
        rate = alarm_rate(offsets, begun, later["anomaly_score"].notna().to_numpy(), found.every_us)
        assert found.reference.upper(found.settings.confidence) <= asked
        seen, months = seen + rate.episodes, months + rate.device_months
    assert months == pytest.approx(4 * 40 * 80 / 30)
    assert poisson.ppf(1e-4, asked * months / 3) < seen < poisson.ppf(1 - 1e-4, asked * months)


def test_higher_rate_gives_lower_threshold(calm: Fleet) -> None:
    found = [
        fit_anomaly_view(*calm.until(REFERENCE), SPEC, alarms_per_device_month=rate).threshold
        for rate in (0.05, 0.2, 2)
    ]
    assert found[0] > found[1] > found[2]


def test_upper_bound_is_garwoods() -> None:
    """Table of Garwood (1936): none seen, 95 % one-sided, 2.996; ten seen, 97.5 %, 18.39."""
    assert AlarmRate(0, 1.0).upper(0.95) == pytest.approx(2.996, abs=5e-4)
    assert AlarmRate(10, 1.0).upper(0.975) == pytest.approx(18.390, abs=5e-4)


def test_clustered_episodes_widen_the_bound() -> None:
    offsets = np.arange(0, 101, 10, dtype=np.int64)
    judged = np.ones(100, dtype=bool)
    clustered, even = np.zeros(100, dtype=bool), np.zeros(100, dtype=bool)
    clustered[:10], even[::10] = True, True
    found = [alarm_rate(offsets, starts, judged, DAY_US) for starts in (clustered, even)]
    assert found[0].episodes == found[1].episodes == 10
    assert found[0].dispersion == pytest.approx(10.0)
    assert found[1].dispersion == 1.0
    assert found[0].upper(0.9) > found[1].upper(0.9)


def test_episode_ends_after_quiet_time_only() -> None:
    offsets, days = np.array([0, 12, 16]), np.r_[np.arange(12), np.arange(4)] * DAY_US
    alarm = np.isin(np.arange(16), [0, 1, 4, 11, 12])
    assert np.flatnonzero(episode_starts(offsets, days, alarm, 3 * DAY_US)).tolist() == [0, 11, 12]
    assert np.flatnonzero(episode_starts(offsets, days, alarm, 2 * DAY_US)).tolist() == [0, 4, 11, 12]
    assert np.flatnonzero(episode_starts(offsets, days, alarm, 7 * DAY_US)).tolist() == [0, 12]


def test_threshold_never_makes_one_endless_alarm() -> None:
    """Asked for more alarms than noise can give, it stays where a tenth of the rows are, not at the floor."""
    rng = np.random.default_rng(3)
    offsets = np.arange(0, 2001, 100, dtype=np.int64)
    score = rng.normal(size=2000)
    found = choose_threshold(
        Calibration(offsets, np.tile(np.arange(100) * DAY_US, 20), score, DAY_US), 50.0, DAY_US, 0.9
    )
    assert 0.05 < (score >= found).mean() <= 0.1


# --- what is found ----------------------------------------------------------------------------------------------------


def jump(values: dict[str, Floats]) -> None:
    values["heat"][BROKEN, after(REFERENCE)] += 6


def drift(values: dict[str, Floats]) -> None:
    part = values["volt"][BROKEN, after(REFERENCE)]
    part += np.linspace(0, 25, len(part))


def noisier(values: dict[str, Floats]) -> None:
    level = values["volt"][BROKEN].mean()
    part = values["volt"][BROKEN, after(REFERENCE)]
    part[:] = level + 8 * (part - level)


def stuck(values: dict[str, Floats]) -> None:
    values["heat"][BROKEN, after(REFERENCE)] = values["heat"][BROKEN, REFERENCE * PER_DAY]


@pytest.mark.parametrize(
    ("change", "sensor", "words"),
    [
        (jump, "heat", "mean"),
        (drift, "volt", "mean"),
        (noisier, "volt", "spread"),
        (stuck, "heat", "did not change"),
    ],
)
def test_change_is_found_and_its_sensor_named(view: AnomalyView, change: Change, sensor: str, words: str) -> None:
    fleet = changed(change)
    scored = view.score(fleet.features, fleet.examples)
    found = of_device(scored, REFERENCE + 20)
    assert found["state"] == "unusual"
    assert found["deviations"][0].sensor == sensor
    assert words in found["deviations"][0].sentence
    assert START + pd.Timedelta(days=REFERENCE) < found["unusual_since"] <= found["cutoff"]
    others = scored[(scored["cutoff"] == found["cutoff"]) & (scored["device_id"] != found["device_id"])]
    assert (others["state"] == "unusual").sum() <= 2


def errors(rate: float, seed: int = 7) -> Fleet:
    """The calm fleet with a sensor that counts what rarely happens; two devices leave zero after the reference."""
    values = readings(DEVICES, DAYS, seed=1)
    values["heat"] = np.where(np.random.default_rng(seed).random(values["heat"].shape) < rate, 5.0, 0.0)
    for device in (BROKEN, BROKEN + 1):
        part = values["heat"][device, after(REFERENCE)]
        part[:] = np.linspace(1, 760, len(part))
    return built(values)


def test_leaving_zero_is_unusual_where_hardly_any_device_ever_did() -> None:
    fleet = errors(0.0)
    view = fit_anomaly_view(*fleet.until(REFERENCE), SPEC, alarms_per_device_month=0.1)
    scored = view.score(fleet.features, fleet.examples)
    today = scored[scored["cutoff"] == START + pd.Timedelta(days=REFERENCE + 10)].set_index("device_id")
    assert today.loc[["d007", "d008"], "state"].tolist() == ["unusual", "unusual"]
    (first, *_) = of_device(scored, REFERENCE + 10)["deviations"]
    assert first.sensor == "heat"
    assert "usual for this device 0" in first.sentence
    assert (today.drop(index=["d007", "d008"])["state"] == "unusual").sum() <= 2


def test_a_sensor_that_is_mostly_zero_does_not_fill_the_list_and_scores_are_bounded() -> None:
    fleet = errors(0.002)
    view = fit_anomaly_view(*fleet.until(REFERENCE), SPEC, alarms_per_device_month=0.1)
    scored = view.score(fleet.features, fleet.examples)
    later = scored[(scored["cutoff"] > START + pd.Timedelta(days=REFERENCE)) & (scored["state"] == "unusual")]
    assert scored["anomaly_score"].max() <= 30
    by_heat = later["deviations"].map(lambda found: found[0].sensor == "heat")
    assert later[by_heat & ~later["device_id"].isin(["d007", "d008"])]["device_id"].nunique() <= 6


def test_sentence_tells_value_and_what_is_usual_in_units(view: AnomalyView) -> None:
    fleet = changed(jump)
    first = of_device(view.score(fleet.features, fleet.examples), REFERENCE + 2)["deviations"][0]
    row = (fleet.examples.ids == f"d{BROKEN:03d}") & (
        from_us(fleet.examples.cutoff_us) == START + pd.Timedelta(days=112)
    )
    assert first.value == pytest.approx(fleet.features[f"heat_{first.quantity}_{first.window}"][row].iloc[0])
    assert first.sentence.startswith(f"heat {first.window[:-1]} h mean {first.value:.1f} °C, usual for this device ")
    assert ", usual for this model " in first.sentence
    assert " ± " in first.sentence


def test_season_of_the_whole_cohort_is_no_anomaly(view: AnomalyView) -> None:
    def season(values: dict[str, Floats]) -> None:
        values["heat"][:, after(REFERENCE)] += 10

    fleet = changed(season)
    scored = view.score(fleet.features, fleet.examples)
    later = scored[scored["cutoff"] > START + pd.Timedelta(days=REFERENCE + 3)]
    assert (later["state"] == "unusual").mean() < 0.05


def test_device_that_always_differed_is_told_by_the_cohort() -> None:
    def odd(values: dict[str, Floats]) -> None:
        values["volt"][BROKEN] += 100

    fleet = changed(odd)
    found = fit_anomaly_view(*fleet.until(REFERENCE), SPEC, alarms_per_device_month=0.1)
    row = of_device(found.score(fleet.features, fleet.examples), DAYS)
    assert row["state"] == "unusual"
    assert (row["deviations"][0].sensor, row["deviations"][0].compared_with) == ("volt", "cohort")
    past = fit_anomaly_view(
        *fleet.until(REFERENCE), SPEC, alarms_per_device_month=0.1, settings=AnomalySettings(compare="past")
    )
    assert of_device(past.score(fleet.features, fleet.examples), DAYS)["state"] == "usual"


def test_one_device_is_compared_with_itself() -> None:
    values = readings(1, 400, seed=5)
    values["heat"][0, after(390)] += 8
    fleet = built(values)
    found = fit_anomaly_view(*fleet.until(380), SPEC, alarms_per_device_month=0.5)
    scored = found.score(fleet.features, fleet.examples)
    assert of_device(scored, 385, 0)["state"] == "usual"
    row = of_device(scored, 395, 0)
    assert row["state"] == "unusual"
    assert row["deviations"][0].sensor == "heat"
    assert "this model" not in row["deviations"][0].sentence


def test_renewal_begins_a_new_past(calm: Fleet, view: AnomalyView) -> None:
    """Where the features say that a part was renewed, the time before it is no longer the device's past."""
    fleet = changed(jump)
    renewed = fleet.features.copy()
    moment = START.value // 1000 + REFERENCE * DAY_US
    age = (fleet.examples.cutoff_us - moment) / HOUR_US
    rows = (fleet.examples.ids == f"d{BROKEN:03d}") & (age >= 0)
    renewed.loc[rows, "pump_age_hours"] = age[rows]
    past = replace(view, settings=AnomalySettings(compare="past"))
    assert of_device(past.score(fleet.features, fleet.examples), REFERENCE + 10)["state"] == "unusual"
    assert of_device(past.score(renewed, fleet.examples), REFERENCE + 10)["state"] == "not judged"
    assert of_device(past.score(renewed, fleet.examples), REFERENCE + 30)["state"] == "usual"
    assert len(calm.features) == len(renewed)


# --- missing, silent, lying -------------------------------------------------------------------------------------------


def test_missing_sensor_stays_missing(view: AnomalyView) -> None:
    def gone(values: dict[str, Floats]) -> None:
        values["heat"][BROKEN, after(REFERENCE)] = np.nan

    fleet = changed(gone)
    row = of_device(view.score(fleet.features, fleet.examples), REFERENCE + 20)
    assert row["state"] == "usual"
    assert np.isfinite(row["anomaly_score"])


def test_silent_device_is_dark_and_has_no_score(view: AnomalyView) -> None:
    def silent(values: dict[str, Floats]) -> None:
        for each in values.values():
            each[BROKEN, after(REFERENCE)] = np.nan

    fleet = changed(silent)
    features = fleet.features.copy()
    since = START + pd.Timedelta(days=REFERENCE)
    rows = (fleet.examples.ids == f"d{BROKEN:03d}") & (from_us(fleet.examples.cutoff_us) > since)
    hours = (fleet.examples.cutoff_us - START.value // 1000) / HOUR_US - REFERENCE * 24
    features.loc[rows, "telemetry_age_hours"] = hours[rows]
    row = of_device(view.score(features, fleet.examples), REFERENCE + 20)
    assert row["state"] == "dark"
    assert np.isnan(row["anomaly_score"])
    assert row["silent_since"] == since
    assert pd.isna(row["unusual_since"])
    assert row["notices"] == ("silent: its last report is 20.0 days old",)


def test_sensor_with_impossible_values_is_ignored_with_a_notice(view: AnomalyView) -> None:
    fleet = changed(jump)
    moment = START + pd.Timedelta(days=REFERENCE + 9)
    record = {"device_id": f"d{BROKEN:03d}", "event_time": moment.isoformat(), "heat": "1e12"}
    rows = {"table": "telemetry", "reason": "impossible_value", "column": "heat", "record": json.dumps(record)}
    lies = impossible_readings(pd.DataFrame([rows, {**rows, "reason": "unknown_device"}]))
    assert len(lies) == 1
    scored = view.score(fleet.features, fleet.examples, quarantined=lies)
    during, later = of_device(scored, REFERENCE + 10), of_device(scored, REFERENCE + 14)
    assert during["state"] == "usual"
    assert during["notices"] == ("heat is ignored: it sent impossible values, which were set aside",)
    assert later["state"] == "unusual"
    assert later["notices"] == ()


def test_half_a_window_is_not_compared(view: AnomalyView) -> None:
    fleet = changed(jump)
    features = fleet.features.assign(telemetry_share_24h=np.float32(0.2))
    row = of_device(view.score(features, fleet.examples), REFERENCE + 10)
    assert {each.window for each in row["deviations"]} == {"72h"}
    assert row["notices"] == ("it sent 20% of its usual reports in 24 h",)


# --- clock, form, files -----------------------------------------------------------------------------------------------


def test_later_rows_change_no_earlier_score(view: AnomalyView) -> None:
    day = REFERENCE + 10
    calm, wild = changed(jump), built(readings(DEVICES, DAYS, seed=1))
    for fleet in (calm, wild):
        later = fleet.examples.cutoff_us > START.value // 1000 + day * DAY_US
        wilder = fleet.features.copy()
        wilder.loc[later, ["volt_mean_24h", "heat_mean_72h", "telemetry_age_hours", "pump_age_hours"]] *= 7
        cut = fleet.until(day)
        whole = view.score(wilder, fleet.examples)[~later].reset_index(drop=True)
        pd.testing.assert_frame_equal(whole, view.score(*cut), check_exact=True)


def test_answer_holds_no_probability(view: AnomalyView, calm: Fleet) -> None:
    scored = view.score(calm.features, calm.examples)
    assert list(scored.columns) == [
        *("device_id", "cutoff", "state", "anomaly_score", "alarm_from"),
        *("unusual_since", "last_report", "silent_since", "deviations", "notices"),
    ]
    assert scored["anomaly_score"].max() > 1


def test_saved_view_scores_to_the_bit(view: AnomalyView, calm: Fleet, tmp_path: Path) -> None:
    view.save(tmp_path / "views")
    loaded = AnomalyView.load(tmp_path / "views")
    pd.testing.assert_frame_equal(
        view.score(calm.features, calm.examples), loaded.score(calm.features, calm.examples), check_exact=True
    )
    assert loaded.reference == view.reference
    assert loaded.settings == view.settings


@pytest.mark.parametrize("content", ["", "{}", '{"format": 99}', "[]"])
def test_unreadable_file_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(content)
    with pytest.raises(ModelMismatchError, match=r"Fit again\.$"):
        AnomalyView.load(tmp_path)


def test_short_reference_period_says_what_it_takes(calm: Fleet) -> None:
    with pytest.raises(NotEnoughDataError, match=r"takes at least 230\.3"):
        fit_anomaly_view(*calm.until(REFERENCE), SPEC, alarms_per_device_month=0.01)
    with pytest.raises(NotEnoughDataError, match="cutoffs"):
        fit_anomaly_view(*calm.until(1), SPEC, alarms_per_device_month=1)


def test_fleet_without_telemetry_is_refused(calm: Fleet, view: AnomalyView) -> None:
    numbers = [name for name in calm.features if str(name).startswith(("volt", "heat"))]
    with pytest.raises(NotEnoughDataError, match="No device has telemetry"):
        fit_anomaly_view(
            calm.features.assign(**dict.fromkeys(map(str, numbers), np.nan)),
            calm.examples,
            SPEC,
            alarms_per_device_month=1,
        )
    with pytest.raises(NotEnoughDataError, match="no sensor with a level"):
        fit_anomaly_view(
            calm.features, calm.examples, SPEC.model_copy(update={"sensors": ()}), alarms_per_device_month=1
        )
    with pytest.raises(NotEnoughDataError, match="'volt_mean_24h'"):
        view.score(calm.features.drop(columns="volt_mean_24h"), calm.examples)


def test_senseless_wishes_are_refused(calm: Fleet, view: AnomalyView) -> None:
    for rate in (0.0, -1.0, float("nan")):
        with pytest.raises(SettingsError, match="alarms per device-month"):
            fit_anomaly_view(calm.features, calm.examples, SPEC, alarms_per_device_month=rate)
    with pytest.raises(SettingsError, match="not a duration"):
        AnomalySettings(quiet="soon")
    with pytest.raises(InputError, match="rows of features"):
        view.score(calm.features.head(3), calm.examples)


# --- kernels against the slow way -------------------------------------------------------------------------------------


def test_own_past_equals_the_slow_way() -> None:
    rng = np.random.default_rng(8)
    offsets = np.array([0, 40, 41, 90], dtype=np.int64)
    cutoffs = np.concatenate([np.sort(rng.choice(200, size, replace=False)) for size in np.diff(offsets)]).astype(
        np.int64
    )
    renewed = np.full(90, -1000, dtype=np.int64)
    renewed[70:] = 30
    values = np.where(rng.random(90) < 0.2, np.nan, rng.normal(size=90).round(1))
    centre, scale, count = own_past(offsets, cutoffs, renewed, values, 10, 60, 4)
    for device in range(3):
        rows = slice(offsets[device], offsets[device + 1])
        for i in range(rows.start, rows.stop):
            oldest = max(cutoffs[i] - 70, renewed[i])
            inside = (cutoffs[rows] > oldest) & (cutoffs[rows] <= cutoffs[i] - 10) & ~np.isnan(values[rows])
            past = values[rows][inside]
            assert count[i] == len(past)
            if len(past) < 4:
                assert np.isnan(centre[i])
            else:
                assert centre[i] == pytest.approx(np.median(past))
                assert scale[i] == pytest.approx(NORMAL * np.median(np.abs(past - np.median(past))))


def test_group_middle_equals_the_slow_way() -> None:
    rng = np.random.default_rng(9)
    group = np.repeat([1, 2, 3, 4], [1, 5, 6, 30]).astype(np.int64)
    values = np.where(rng.random(42) < 0.2, np.nan, rng.normal(size=42).round(1))
    centre, scale, count = group_middle(group, values, 5)
    for number in range(1, 5):
        present = values[(group == number) & ~np.isnan(values)]
        here = centre[group == number]
        assert (count[group == number] == len(present)).all()
        if len(present) < 5:
            assert np.isnan(here).all()
        else:
            assert here == pytest.approx(np.median(present))
            found = NORMAL * np.median(np.abs(present - np.median(present)))
            assert scale[group == number] == pytest.approx(found)
