"""Features of run-to-failure data: only the past, regimes from training data alone, clear refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aftercast.models.kinds.remaining_life.trajectories import (
    Recipe,
    Trajectories,
    find_regimes,
    fit_recipe,
    read_trajectories,
)
from aftercast.models.kinds.remaining_life.trajectories.statistics import Sums
from aftercast.models.saved_json import load_json, save_json
from aftercast.operations.errors import InputError, NotEnoughDataError

SETTINGS = ("altitude", "speed")
SENSORS = ("heat", "wear", "still")


def frame(units: int = 4, *, regimes: int = 1, seed: int = 0, gaps: bool = False) -> pd.DataFrame:
    """Units of 40 to 80 cycles whose ``wear`` grows; each regime shifts both sensors; ``still`` never moves."""
    rng = np.random.default_rng(seed)
    parts = []
    for unit in range(units):
        life = int(rng.integers(40, 80))
        regime = rng.integers(regimes, size=life)
        steps = rng.integers(1, 4, size=life) if gaps else np.ones(life, dtype=np.int64)
        wear = np.linspace(0, 3, life) + 50 * regime + rng.normal(0, 0.2, life)
        parts.append(
            pd.DataFrame(
                {
                    "unit": f"u{unit}",
                    "cycle": np.cumsum(steps),
                    "altitude": 10.0 * regime + rng.normal(0, 0.01, life),
                    "speed": 0.5 * regime + rng.normal(0, 0.001, life),
                    "heat": 500 + 20 * regime + rng.normal(0, 1 + regime, life),
                    "wear": wear,
                    "still": 100.0 + regime,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def read(table: pd.DataFrame) -> Trajectories:
    return read_trajectories(table, SETTINGS, SENSORS)


def recipe_of(table: pd.DataFrame) -> Recipe:
    trajectories = read(table)
    last = trajectories.cycles[trajectories.last_rows][trajectories.unit_of_row]
    return fit_recipe(trajectories, SENSORS, (last - trajectories.cycles) / 40)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 3), st.integers(1, 39), st.booleans(), st.integers(1, 3))
def test_cutting_the_future_changes_no_feature(seed: int, unit: int, kept: int, gaps: bool, regimes: int) -> None:
    recipe = recipe_of(frame(regimes=regimes, seed=1))
    table = frame(regimes=regimes, seed=seed, gaps=gaps)
    whole = recipe.build(read(table))
    rows = np.flatnonzero((table["unit"] == f"u{unit}").to_numpy())[:kept]
    cut = recipe.build(read(table.iloc[rows].reset_index(drop=True)))
    np.testing.assert_array_equal(cut.to_numpy(), whole.iloc[rows].to_numpy())


def test_other_units_change_no_feature() -> None:
    recipe = recipe_of(frame())
    table = frame(seed=5)
    alone = recipe.build(read(table[table["unit"] == "u2"].reset_index(drop=True)))
    np.testing.assert_array_equal(
        alone.to_numpy(), recipe.build(read(table))[(table["unit"] == "u2").to_numpy()].to_numpy()
    )


@pytest.mark.parametrize("regimes", [1, 2, 3, 6])
def test_the_number_of_regimes_is_found_from_settings(regimes: int) -> None:
    found = find_regimes(read(frame(units=12, regimes=regimes)))
    assert len(found.centres) == regimes


def test_sensors_are_measured_from_the_usual_level_of_their_regime() -> None:
    table = frame(units=12, regimes=3)
    trajectories = read(table)
    found = find_regimes(trajectories)
    normal = found.normalise(trajectories.settings, trajectories.sensors)
    rows = found.of_rows(trajectories.settings)
    for regime in range(3):
        np.testing.assert_allclose(normal[rows == regime, 0].mean(), 0, atol=1e-9)
        np.testing.assert_allclose(normal[rows == regime, 0].std(), 1, atol=1e-9)


def test_a_sensor_that_never_moves_within_a_regime_is_left_out() -> None:
    assert recipe_of(frame(units=8, regimes=3)).channels[:3] == ("heat", "wear", "health")


def test_the_health_index_falls_to_failure() -> None:
    table = frame(units=8)
    trajectories = read(table)
    recipe = recipe_of(table)
    health = recipe.values(trajectories)[:, recipe.channels.index("health")]
    firsts = trajectories.starts[:-1]
    assert (health[firsts] > health[trajectories.last_rows] + 0.4).all()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-100, 100), min_size=1, max_size=40), st.integers(2, 30), st.integers(0, 10_000))
def test_window_statistics_equal_the_slow_way(values: list[float], span: int, seed: int) -> None:
    cycles = np.cumsum(np.random.default_rng(seed).integers(1, 4, size=len(values))).astype(np.float64)
    column = np.array(values)[:, None]
    sums = Sums(cycles, column)
    means, slopes, base = sums.mean(span), sums.slope(span), sums.baseline(span)
    for row in range(len(values)):
        inside = (cycles > cycles[row] - span) & (cycles <= cycles[row])
        assert means[row, 0] == pytest.approx(column[inside, 0].mean(), abs=1e-8)
        slope = np.polyfit(cycles[inside], column[inside, 0], 1)[0] if inside.sum() >= 3 else 0.0
        assert slopes[row, 0] == pytest.approx(slope, abs=1e-6)
        young = (cycles < cycles[0] + span) & (np.arange(len(values)) <= row)
        assert base[row, 0] == pytest.approx(column[young, 0].mean(), abs=1e-8)


def test_a_recipe_survives_json(tmp_path: Path) -> None:
    table = frame(regimes=2)
    recipe = recipe_of(table)
    save_json(recipe, tmp_path / "recipe.json", 1)
    again = load_json(Recipe, tmp_path / "recipe.json", 1, what="recipe")
    assert again.names == recipe.names
    pd.testing.assert_frame_equal(again.build(read(table)), recipe.build(read(table)), check_exact=True)


def test_a_single_first_cycle_has_finite_features() -> None:
    table = frame()
    assert np.isfinite(recipe_of(table).build(read(table.iloc[:1])).to_numpy()).all()


def refused(table: pd.DataFrame, match: str) -> None:
    with pytest.raises(InputError, match=match):
        read(table)


def test_unsorted_cycles_are_refused_with_the_unit() -> None:
    table = frame()
    table.loc[[70, 71], "cycle"] = table.loc[[71, 70], "cycle"].to_numpy()
    unit = table["unit"].tolist()[70]
    refused(table, f"unit '{unit}'")


def test_a_repeated_cycle_is_refused() -> None:
    table = frame()
    table.loc[[3], "cycle"] = table.loc[[2], "cycle"].to_numpy()
    refused(table, "do not increase in 1 rows")


def test_scattered_rows_of_a_unit_are_refused() -> None:
    table = frame()
    refused(pd.concat([table, table.iloc[:2].assign(cycle=[500, 501])], ignore_index=True), "not together")


def test_an_unknown_sensor_is_refused_by_name() -> None:
    refused(frame().drop(columns="wear"), "'wear'")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_missing_or_infinite_sensor_values_are_counted(value: float) -> None:
    table = frame()
    table.loc[[3, 9], "heat"] = value
    refused(table, "'heat' is missing or infinite in 2 rows")


def test_text_in_a_sensor_is_refused() -> None:
    refused(frame().astype({"heat": "object"}).assign(heat="hot"), "'heat' is not numeric")


def test_a_row_without_unit_is_refused() -> None:
    table = frame()
    table.loc[0, "unit"] = None
    refused(table, "1 rows name no unit")


def test_no_rows_are_refused() -> None:
    with pytest.raises(NotEnoughDataError, match="no row"):
        read(frame().iloc[:0])
