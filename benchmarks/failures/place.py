"""A workspace in a temporary folder, filled as a user fills one."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aftercast.data.workspace import Workspace, create_workspace, open_workspace
from aftercast.models.judge.report import BacktestReport
from aftercast.pipelines.backtest import BacktestRequest, run_backtest
from aftercast.pipelines.drafts import draft_from
from aftercast.pipelines.ingest import run_ingest


@contextmanager
def imported(kind: str, path: Path) -> Iterator[Workspace]:
    """Workspace with the fleet spec drafted from a source and all of it imported; removed at the end."""
    with tempfile.TemporaryDirectory() as folder:
        found, fleet = draft_from(path, kind)
        create_workspace(Path(folder) / "fleet", fleet)
        workspace = open_workspace(Path(folder) / "fleet")
        run_ingest(workspace, found, path)
        yield workspace


def backtested(workspace: Workspace, asked: BacktestRequest) -> BacktestReport:
    """Report of a backtest of failures."""
    report = run_backtest(workspace, asked)
    if not isinstance(report, BacktestReport):
        raise TypeError(f"a backtest of {asked.kind} gives no report of hazards")
    return report
