"""The simulator's truth is true: what happened is as frequent as it says, by decile."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from aftercast.data.simulator import FleetConfig, simulate

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

DAY = pd.Timedelta("1D")
Numbers = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A large fleet without proactive visits, which would censor; dark, because telemetry is not looked at."""
    folder = tmp_path_factory.mktemp("large")
    simulate(folder, devices=3000, days=240, seed=9, config=FleetConfig(holdout_share=1.0, dark_share=1.0))
    return folder


def check_by_decile(chance: Numbers, happened: Flags) -> None:
    """Events of each decile of the chance lie within four standard deviations of their sum."""
    order = np.argsort(chance, kind="stable")
    for part in np.array_split(order, 10):
        expected = chance[part].sum()
        spread = np.sqrt((chance[part] * (1 - chance[part])).sum())
        assert abs(happened[part].sum() - expected) < 4 * spread + 1, (expected, happened[part].sum())


@pytest.mark.parametrize(("column", "days"), [("p_24h", 1), ("p_7d", 7), ("p_30d", 30)])
def test_failures_happen_as_often_as_their_probability_says(world: Path, column: str, days: int) -> None:
    truth = pd.read_parquet(
        world / "truth" / "probabilities.parquet", columns=["device_id", "component", "cutoff", column]
    )
    failures = pd.read_parquet(world / "tables" / "failures.parquet")
    retired = pd.read_parquet(world / "tables" / "devices.parquet").groupby("device_id")["retired_at"].max()
    end = truth["cutoff"].max() + DAY
    since = (truth["cutoff"] - truth["cutoff"].min()) // DAY
    seen = truth["device_id"].map(retired).fillna(end).clip(upper=end - 2 * DAY)
    rows = truth[(since % max(days, 5) == 0) & (truth["cutoff"] + days * DAY <= seen)].reset_index()
    merged = rows.merge(failures[["device_id", "component", "event_time"]], on=["device_id", "component"])
    inside = (merged["event_time"] >= merged["cutoff"]) & (merged["event_time"] < merged["cutoff"] + days * DAY)
    happened = rows["index"].isin(merged["index"][inside])
    assert happened.sum() > 500
    check_by_decile(rows[column].to_numpy(np.float64), happened.to_numpy(bool))


def leaving(world: Path, days: int) -> tuple[pd.DataFrame, Flags]:
    """Churn truth at cutoffs whose windows do not overlap and are all there, and who left within them."""
    truth = pd.read_parquet(world / "truth" / "churn.parquet")
    left = pd.read_parquet(world / "tables" / "customers.parquet").groupby("customer_id")["left_at"].max()
    start = truth["cutoff"].min()
    end = start + (240 - 15) * DAY  # who left later may not be known yet
    windows = ((truth["cutoff"] - start) // DAY % (7 * -(-days // 7)) == 0) & (truth["cutoff"] + days * DAY <= end)
    rows = truth[windows & truth[f"lived_{days}d"].notna()]
    when = rows["customer_id"].map(left)
    happened = (when >= rows["cutoff"]) & (when < rows["cutoff"] + days * DAY)
    return rows, happened.to_numpy(bool)


@pytest.mark.parametrize("days", [30, 60])
def test_customers_leave_as_often_as_the_lived_probability_says(world: Path, days: int) -> None:
    rows, happened = leaving(world, days)
    assert happened.sum() > 100
    check_by_decile(rows[f"lived_{days}d"].to_numpy(np.float64), happened)


def test_the_frozen_probability_orders_customers_although_it_knows_nothing_of_what_comes(world: Path) -> None:
    rows, happened = leaving(world, 30)
    parts = np.array_split(np.argsort(rows["p_30d"].to_numpy(np.float64), kind="stable"), 10)
    assert happened[parts[-1]].mean() > 4 * happened[np.concatenate(parts[:5])].mean()
    assert 0.4 < rows["p_30d"].sum() / happened.sum() < 1.6


def test_between_a_seventh_and_two_sevenths_of_the_customers_leave_in_a_year(world: Path) -> None:
    hazard = pd.read_parquet(world / "truth" / "churn.parquet")["hazard"]
    assert 1 / 7 < 1 - np.exp(-365 * hazard.mean()) < 2 / 7
