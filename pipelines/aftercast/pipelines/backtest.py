"""Backtest: test a kind of model on a past that its training did not see."""

from __future__ import annotations

from aftercast.data.workspace import Workspace
from aftercast.models.aliases import Progress
from aftercast.models.kind import BacktestRequest, BacktestResult
from aftercast.models.kinds import kind_of

__all__ = ["BacktestRequest", "run_backtest"]


def run_backtest(workspace: Workspace, asked: BacktestRequest, progress: Progress | None = None) -> BacktestResult:
    """Backtest on the newest version of the store.

    It changes nothing, so that it is no flow and has no key.
    """
    return kind_of(asked.kind).backtest(workspace, asked, progress)
