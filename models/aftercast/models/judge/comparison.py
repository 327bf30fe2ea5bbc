"""Comparison of two models on the same rows: the difference of each metric, paired, with a 95 % interval by device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from rich.console import RenderableType

from aftercast.models.aliases import Floats, Ints, Mask
from aftercast.models.judge.forecasts import NUMBERS, ForecastFile
from aftercast.models.metrics.bootstrap import DRAWS, Drawn, Interval, difference_interval, draw_weights
from aftercast.models.metrics.budgets import budget_draws, budget_metrics
from aftercast.models.metrics.evaluation import ALL, failure_numbers
from aftercast.models.metrics.failures import Rows
from aftercast.models.metrics.rows import Sorted
from aftercast.models.metrics.table import FOUND, METRICS, alarm_draws, alarm_metrics, row_draws, row_metrics, title
from aftercast.models.text_table import text_table
from aftercast.operations.clocks import format_duration, to_us
from aftercast.operations.errors import InputError

KEY: Final = ["component", "id", "cutoff"]
POOLED: Final = "pooled"
LABELS: Final = ("event", "known", "failed_at")
Measured = dict[str, tuple[float | None, Drawn]]
"""Metric -> its value, and the same in each draw."""


@dataclass(frozen=True)
class Difference:
    """How far B is from A in one metric.

    Attributes
    ----------
    a, b
        The metric of each; None where undefined.
    difference
        B less A; None where either is undefined.
    interval
        95 % of the differences in draws of devices; None where too few draws define it.
    better
        "A" or "B" where the interval leaves out 0, "neither" where it holds it, None without an interval.
    """

    metric: str
    a: float | None
    b: float | None
    difference: float | None
    interval: Interval | None
    better: str | None


@dataclass(frozen=True)
class Comparison:
    """Two models on the same rows.

    Attributes
    ----------
    differences
        Component, "all" or "pooled" (every pair of row and component) -> differences.
    """

    a: str
    b: str
    rows: int
    devices: int
    horizon: str
    draws: int
    differences: Mapping[str, list[Difference]]

    def to_dict(self) -> dict[str, Any]:
        """Comparison as JSON values, with the verdicts."""
        found = {name: [vars(each) for each in listed] for name, listed in self.differences.items()}
        return {**vars(self), "differences": found, "verdicts": self.verdicts()}

    def shown(self) -> list[RenderableType]:
        """Texts and tables for a terminal."""
        rows = [
            [name, title(each.metric), _number(each.a), _number(each.b), _number(each.difference), _ends(each.interval)]
            for name, listed in self.differences.items()
            for each in listed
        ]
        columns = ["", "metric", "A", "B", "B less A", "95 %"]
        return [
            f"A is {self.a}, B is {self.b}.",
            text_table(f"Within {self.horizon}, {self.rows:,} rows", columns, rows, right={2, 3, 4, 5}),
            *(f"{name}: {sentence}" for name, sentence in self.verdicts().items()),
        ]

    def verdicts(self) -> dict[str, str]:
        """One sentence for each component: where one is better, and by how much."""
        return {name: verdict(listed) for name, listed in self.differences.items()}


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _ends(ends: Interval | None) -> str:
    return "" if ends is None else f"{ends[0]:.3g} to {ends[1]:.3g}"


def verdict(differences: list[Difference]) -> str:
    """Sentence on the metrics in which one model is better, or that there are none.

    Examples
    --------
    >>> verdict([Difference("pr_auc", 0.5, 0.53, 0.03, [0.01, 0.05], "B")])
    'B is better in PR-AUC by 0.03 [0.01, 0.05].'
    """
    parts = [
        f"{each.better} is better in {title(each.metric)} by {_amount(each)}"
        for each in differences
        if each.better in ("A", "B")
    ]
    if parts:
        return "; ".join(parts) + "."
    judged = [each for each in differences if each.better is not None]
    return "No metric tells them apart: every interval holds 0." if judged else "Nothing can be judged here."


def _amount(each: Difference) -> str:
    """How much better the better one is, with the interval, both positive."""
    if each.difference is None or each.interval is None:
        return ""
    low, high = sorted(abs(end) for end in each.interval)
    return f"{abs(each.difference):.3g} [{low:.3g}, {high:.3g}]"


def compare(a: ForecastFile, b: ForecastFile, *, draws: int = DRAWS) -> Comparison:
    """Compare two models row by row.

    Both are judged in the same draws of devices, so that what is hard for both cancels out. Flags are taken as each
    model's thresholds gave them; budgets are spent anew in each draw.

    Raises
    ------
    InputError
        If the files differ in horizon, time between cutoffs or time to act, in their rows, or in what became of them.
    """
    check_same(a, b)
    owner = pd.factorize(a.frame["id"], sort=True)[0].astype(np.int64)
    weights = draw_weights(int(owner.max()) + 1, draws)
    found: dict[str, list[Difference]] = {}
    names = a.frame["component"].to_numpy()
    for name in (*sorted(set(names) - {ALL}), ALL):
        chosen = names == name
        rows = rows_of(a.frame[chosen], owner[chosen], a.meta)
        sides = [_measured(rows, each.frame[chosen], weights) for each in (a, b)]
        found[str(name)] = differences(*sides)
    parts = (names != ALL) & a.frame["known"].to_numpy()
    event = a.frame["event"].to_numpy()[parts]
    pooled = [_ranked(owner[parts], event, each.frame["probability"].to_numpy()[parts], weights) for each in (a, b)]
    found[POOLED] = differences(*pooled)
    return Comparison(
        a=a.label,
        b=b.label,
        rows=int((names == ALL).sum()),
        devices=weights.shape[1],
        horizon=format_duration(a.meta["horizon_us"]),
        draws=draws,
        differences=found,
    )


def check_same(a: ForecastFile, b: ForecastFile) -> None:
    """Refuse two files that were not asked the same questions; raises InputError with counts and one example."""
    for name in ("kind", *NUMBERS):
        if a.meta[name] != b.meta[name]:
            raise InputError(
                f"The forecasts differ in {name.removesuffix('_us')}: {a.meta[name]} and {b.meta[name]}.",
                "Compare backtests of one kind, horizon, time between cutoffs and time to act.",
            )
    both = a.frame[KEY].merge(b.frame[KEY], on=KEY, how="outer", indicator=True)
    alone = both[both["_merge"] != "both"]
    if len(alone) > 0:
        of_a, of_b = (int((alone["_merge"] == side).sum()) for side in ("left_only", "right_only"))
        raise InputError(
            f"The forecasts are of other rows: {of_a:,} only in {a.label}, {of_b:,} only in {b.label}, "
            f"{len(both) - len(alone):,} in both. {_example(alone.iloc[0])}",
            "Backtest both over the same cutoffs and devices.",
        )
    _check_labels(a, b)


def _check_labels(a: ForecastFile, b: ForecastFile) -> None:
    differ = np.zeros(len(a.frame), dtype=bool)
    for name in LABELS:
        left, right = a.frame[name], b.frame[name]
        differ |= ~((left == right) | (left.isna() & right.isna())).to_numpy(dtype=bool)
    if differ.any():
        raise InputError(
            f"What became of {int(differ.sum()):,} of {len(differ):,} rows differs. "
            f"{_example(a.frame.loc[differ].iloc[0])}",
            "Backtest both on the same version of the store.",
        )


def _example(row: pd.Series[Any]) -> str:
    return f"First {row['id']} at {row['cutoff']:%Y-%m-%d %H:%M}, {row['component']}."


def rows_of(frame: pd.DataFrame, owner: Ints, meta: Mapping[str, Any]) -> Rows:
    """Rows of one component, sorted by id and cutoff, as they were when they were judged."""
    event = frame["event"].to_numpy(dtype=bool)
    number, moments = failure_numbers(owner, to_us(frame["failed_at"]), event)
    return Rows(
        owner,
        to_us(frame["cutoff"]),
        number,
        moments,
        frame["known"].to_numpy(dtype=bool),
        meta["every_us"],
        covers_us=meta["horizon_us"],
        act_within_us=meta["act_within_us"],
    )


def _measured(rows: Rows, frame: pd.DataFrame, weights: Floats) -> Measured:
    """Every metric of one model that has an interval, and its draws."""
    p, known = frame["probability"].to_numpy(), rows.known
    flagged = p >= frame["threshold"].to_numpy()
    found = _ranked(rows.owner[known], rows.event[known], p[known], weights)
    if not frame["threshold"].isna().all():
        values = alarm_metrics(rows, flagged)
        found |= {name: (values[name], drawn) for name, drawn in alarm_draws(rows, flagged, weights).items()}
    at = budget_metrics(rows, p)
    for budget, drawn in budget_draws(rows, p, weights).items():
        found[f"{budget}: {FOUND}"] = (at[budget][FOUND], drawn[FOUND])
    return found


def _ranked(owner: Ints, event: Mask, p: Floats, weights: Floats) -> Measured:
    values = row_metrics(event, p)
    return {name: (values[name], drawn) for name, drawn in row_draws(Sorted.of(owner, event, p), weights).items()}


def differences(a: Measured, b: Measured) -> list[Difference]:
    """Differences of the metrics that both have."""
    return [_difference(name, a[name], b[name]) for name in a if name in b]


def _difference(name: str, a: tuple[float | None, Drawn], b: tuple[float | None, Drawn]) -> Difference:
    (of_a, drawn_a), (of_b, drawn_b) = a, b
    if of_a is None or of_b is None:
        return Difference(name, of_a, of_b, None, None, None)
    ends = difference_interval(of_b - of_a, drawn_a, drawn_b)
    return Difference(name, of_a, of_b, of_b - of_a, ends, _better(name.rpartition(": ")[2], ends))


def _better(metric: str, ends: Interval | None) -> str | None:
    if ends is None:
        return None
    if ends[0] <= 0 <= ends[1]:
        return "neither"
    return "B" if (ends[0] > 0) == (METRICS[metric].better == "higher") else "A"
