"""The report of a backtest: as JSON for machines, as a table for the terminal."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd
from rich.console import Console
from rich.table import Table

COLUMNS: Final = {
    "events": "events",
    "roc_auc": "ROC-AUC",
    "pr_auc": "PR-AUC",
    "brier": "Brier",
    "ece": "ECE",
    "precision": "precision",
    "recall": "recall",
    "recall_per_failure": "failures found",
    "median_lead_time_hours": "lead h",
}
BUDGET: Final = "1%"


@dataclass(frozen=True)
class BacktestReport:
    """What was tested and how every model did.

    Attributes
    ----------
    results
        Model -> component or "all" -> metrics (see ``evaluate``); undefined values are None.
    seconds
        Duration of the whole backtest.
    """

    kind: str
    horizon: str
    train_until: pd.Timestamp
    test_from: pd.Timestamp
    test_until: pd.Timestamp
    every: str
    retrain: str
    data_version: int
    feature_dictionary_hash: str
    n_devices: int
    seconds: float
    results: Mapping[str, Mapping[str, Mapping[str, Any]]]

    def to_dict(self) -> dict[str, Any]:
        """Report as JSON values; times ISO 8601."""
        times = {name: getattr(self, name).isoformat() for name in ("train_until", "test_from", "test_until")}
        return {**asdict(self), **times}

    def write(self, path: Path) -> None:
        """Write as JSON; undefined metrics are null."""
        path.write_text(json.dumps(self.to_dict(), indent=2, allow_nan=False), encoding="utf-8")

    def table(self) -> Table:
        """Table of the models by component, with the failures found inside a daily 1 % budget."""
        title = f"{self.kind} within {self.horizon}, {self.test_from:%Y-%m-%d} to {self.test_until:%Y-%m-%d}"
        made = Table(title=title)
        for name in ("", "model"):
            made.add_column(name)
        for name in (*COLUMNS.values(), f"found in {BUDGET}"):
            made.add_column(name, justify="right")
        for component in next(iter(self.results.values()), {}):
            for model, found in self.results.items():
                metrics = found[component]
                inside = metrics["budgets"][BUDGET]
                values = [_text(metrics[name]) for name in COLUMNS]
                made.add_row(component, model, *values, f"{_text(inside['found'])} of {metrics['failures']}")
        return made

    def text(self, width: int = 160) -> str:
        """Table as plain text."""
        console = Console(width=width, file=io.StringIO())
        with console.capture() as captured:
            console.print(self.table())
        return captured.get()


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
