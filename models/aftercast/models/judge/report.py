"""The report of a backtest: as JSON for machines, as a table for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

import pandas as pd
from rich.table import Table

from aftercast.models.judge.forecasts import Forecasts
from aftercast.models.judge.html_report import page
from aftercast.models.metrics.table import FOUND, shown_metrics

BUDGET: Final = "1%"


@dataclass(frozen=True)
class BacktestReport:
    """What was tested and how every model did.

    Attributes
    ----------
    results
        Model -> component or "all" -> metrics (see ``evaluate``); undefined values are None.
    pooled
        Model -> metrics of all pairs of row and component together (see ``evaluate_pooled``).
    seconds
        Duration of the whole backtest.
    act_within, hold_out
        Time needed to act, and which devices no training saw; None where not asked for.
    folds
        Each training: train_until, test_from, test_until, cutoffs.
    draws
        Draws of devices that the intervals rest on.
    curves, costs, decisions
        Model -> see ``curves``, ``cost_curve`` and ``decision_curve``; of any component.
    slices, reliability
        Of our own model for any component; see ``slices`` and ``reliability``.
    forecasts
        What was judged; no part of the JSON.
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
    pooled: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    act_within: str | None = None
    hold_out: str | None = None
    folds: Sequence[Mapping[str, Any]] = ()
    draws: int = 0
    curves: Mapping[str, Any] = field(default_factory=dict)
    costs: Mapping[str, Any] = field(default_factory=dict)
    decisions: Mapping[str, Any] = field(default_factory=dict)
    slices: Mapping[str, Any] = field(default_factory=dict)
    reliability: Mapping[str, Any] = field(default_factory=dict)
    forecasts: Forecasts | None = field(default=None, repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Report as JSON values; times ISO 8601."""
        values = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "forecasts"}
        times = {name: values[name].isoformat() for name in ("train_until", "test_from", "test_until")}
        return {**values, **times, "folds": list(self.folds)}

    def write_html(self, path: Path) -> None:
        """Write as one HTML page that needs nothing else."""
        path.write_text(page(self.to_dict()), encoding="utf-8")

    def write_forecasts(self, path: Path) -> None:
        """Write every forecast with what became of it as Parquet (see ``Forecasts``)."""
        if self.forecasts is not None:
            self.forecasts.write(path)

    def shown(self) -> list[Table]:
        """Table of the models by component, with the failures found inside a daily 1 % budget."""
        title = f"{self.kind} within {self.horizon}, {self.test_from:%Y-%m-%d} to {self.test_until:%Y-%m-%d}"
        made = Table(title=title)
        for name in ("", "model"):
            made.add_column(name)
        for name in ("events", *(metric.title for metric in shown_metrics()), f"found in {BUDGET}"):
            made.add_column(name, justify="right")
        for component in next(iter(self.results.values()), {}):
            for model, found in self.results.items():
                metrics = found[component]
                inside = metrics["budgets"][BUDGET]
                ends = metrics.get("intervals", {})
                values = [each.text(metrics[each.name]) + _ends(ends.get(each.name)) for each in shown_metrics()]
                within = _share(ends.get("budgets", {}).get(BUDGET, {}).get(FOUND))
                found_in = f"{inside['found']:.4g} of {metrics['failures']}{within}"
                made.add_row(component, model, f"{metrics['events']}", *values, found_in)
        return [made]


def _ends(ends: Sequence[float] | None) -> str:
    """Interval of a value, on a line below it."""
    return "" if ends is None else f"\n{_end(ends[0])}..{_end(ends[1])}"


def _share(ends: Sequence[float] | None) -> str:
    return "" if ends is None else f"\n{ends[0]:.0%}..{ends[1]:.0%}"


def _end(value: float) -> str:
    """End of an interval: two digits, three near 1."""
    return f"{value:.3g}" if 0.9 < abs(value) < 1 else f"{value:.2g}"
