"""Splits in time: where the calibration period begins, and which cutoffs a backtest trains and tests on."""

from __future__ import annotations

import numpy as np
import pandas as pd

from aftercast.models.aliases import Ints
from aftercast.operations.clocks import DAY_US, format_duration, timestamp_us
from aftercast.operations.errors import NotEnoughDataError, SettingsError


def calibration_start(cutoff_us: Ints, until_us: int, share: float) -> int:
    """Instant at which the last ``share`` of the training time begins, microseconds.

    It is a cutoff: earlier rows fit, with labels censored there, so that no label window of the fit part crosses it
    whatever the horizon; rows from it on calibrate.

    Raises
    ------
    NotEnoughDataError
        If the examples have fewer than two cutoffs.
    """
    cutoffs = np.unique(cutoff_us)
    if len(cutoffs) < 2:
        raise NotEnoughDataError(
            f"The training time holds {len(cutoffs)} cutoffs; two are the least.", "Import more history."
        )
    wanted = until_us - share * (until_us - int(cutoffs[0]))
    at = int(np.clip(np.searchsorted(cutoffs, wanted), 1, len(cutoffs) - 1))
    return int(cutoffs[at])


def training_cutoffs(first_us: int, until_us: int, every_us: int) -> Ints:
    """Cutoffs of training, shape (k,): the grid anchored at 00:00 UTC, in ``[first, until)``."""
    start = -(-first_us // DAY_US) * DAY_US
    return np.arange(start, until_us, every_us, dtype=np.int64)


def check_gap(train_until: pd.Timestamp, test_from: pd.Timestamp) -> None:
    """Refuse a test that begins before training ends.

    Labels of training are censored at ``train_until``: the gap between the last fully labelled training cutoff and
    the first test cutoff is therefore at least the horizon.

    Raises
    ------
    SettingsError
        If ``test_from`` lies before ``train_until``.
    """
    if test_from < train_until:
        raise SettingsError(
            f"The test starts at {test_from:%Y-%m-%d %H:%M}, before training ends at {train_until:%Y-%m-%d %H:%M}.",
            "Choose --test-from at or after --train-until.",
        )


def check_observed(last_us: int, horizon_us: int, observed_until: pd.Timestamp) -> None:
    """Refuse test cutoffs whose label window reaches beyond what was observed.

    Raises
    ------
    NotEnoughDataError
        Naming the last possible cutoff.
    """
    if last_us + horizon_us > timestamp_us(observed_until):
        possible = observed_until - pd.Timedelta(horizon_us, unit="us")
        raise NotEnoughDataError(
            f"The horizon {format_duration(horizon_us)} is longer than the data after the last test cutoff: "
            f"the world was observed until {observed_until:%Y-%m-%d %H:%M}.",
            f"Test no cutoff after {possible:%Y-%m-%d %H:%M}, or choose a shorter horizon.",
        )
