"""Splits: no label window crosses one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aftercast.features.labels import Labels
from aftercast.models.examples.splits import calibration_start, check_gap, check_observed, training_cutoffs
from aftercast.models.hazard.intervals import censor, interval_rows
from aftercast.operations.clocks import DAY_US, NEVER, parse_time
from aftercast.operations.errors import NotEnoughDataError, SettingsError


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 40)), min_size=1), st.integers(1, 60), st.integers(1, 30))
def test_no_label_window_crosses_the_split(rows: list[tuple[int, int]], split: int, horizon: int) -> None:
    cutoff, time = np.array(rows).T
    labels = Labels(time[:, None], np.full((len(rows), 1), 99), ("a",), np.ones(len(rows), dtype=bool))
    seen = censor(labels, cutoff, split)
    assert (cutoff + seen.follow_up_us[:, 0])[seen.valid].max(initial=0) <= split
    assert not seen.valid[cutoff >= split].any()
    found = interval_rows(seen, 0, 0, horizon)
    assert (cutoff[found.rows[found.event]] + time[found.rows[found.event]] <= split).all()
    assert (seen.time_to_event_us[cutoff + time > split] == NEVER).all()


def test_calibration_takes_the_last_share_and_starts_at_a_cutoff() -> None:
    cutoffs = np.arange(100) * DAY_US
    assert calibration_start(cutoffs, 100 * DAY_US, 0.25) == 75 * DAY_US
    with pytest.raises(NotEnoughDataError, match="1 cutoffs"):
        calibration_start(cutoffs[:1], DAY_US, 0.25)


def test_training_cutoffs_are_midnights_before_the_end() -> None:
    first, until = 5, 3 * DAY_US
    assert training_cutoffs(first, until, DAY_US).tolist() == [DAY_US, 2 * DAY_US]


def test_a_test_before_the_end_of_training_is_refused() -> None:
    check_gap(parse_time("2024-01-02"), parse_time("2024-01-02"))
    with pytest.raises(SettingsError, match="before training ends"):
        check_gap(parse_time("2024-01-02"), parse_time("2024-01-01"))


def test_a_horizon_longer_than_the_data_names_the_last_cutoff() -> None:
    observed = pd.Timestamp("1970-01-10", tz="UTC").as_unit("us")
    check_observed(2 * DAY_US, 7 * DAY_US, observed)
    with pytest.raises(NotEnoughDataError, match="no cutoff after 1970-01-03 00:00"):
        check_observed(3 * DAY_US, 7 * DAY_US, observed)
