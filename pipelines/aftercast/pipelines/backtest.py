"""Backtest: what a person asked for, as the instants and durations the models understand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from aftercast.data.workspace import Workspace
from aftercast.models.hazard import HazardSettings
from aftercast.models.judge.backtest import backtest
from aftercast.models.judge.bootstrap import DRAWS
from aftercast.models.judge.report import BacktestReport
from aftercast.operations.clocks import parse_time
from aftercast.operations.database.forecasts import Kind


@dataclass(frozen=True)
class BacktestRequest:
    """A backtest as it was asked for: dates and durations still text."""

    kind: Kind
    train_until: Sequence[str]
    test_from: str
    test_until: str
    horizon: str
    every: str
    retrain: Literal["once", "daily"]
    act_within: str | None = None
    hold_out: str | None = None
    shift: bool = True
    draws: int = DRAWS
    seed: int = 0
    settings: HazardSettings | None = None


def run_backtest(
    workspace: Workspace, asked: BacktestRequest, progress: Callable[[str, int], None] | None = None
) -> BacktestReport:
    """Backtest on the newest version of the store.

    It changes nothing, so that it is no flow and has no key.
    """
    return backtest(
        asked.kind,
        workspace.store,
        workspace.fleet,
        version=workspace.store.version(),
        train_until=[parse_time(each) for each in asked.train_until],
        test_from=parse_time(asked.test_from),
        test_until=parse_time(asked.test_until),
        horizon=asked.horizon,
        every=asked.every,
        retrain=asked.retrain,
        act_within=asked.act_within,
        hold_out=asked.hold_out,
        shift=asked.shift,
        draws=asked.draws,
        seed=asked.seed,
        settings=asked.settings,
        progress=progress,
    )
