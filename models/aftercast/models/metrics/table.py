"""The table of metrics: what each is called, how it is computed, drawn and written. A new metric is one entry here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

from aftercast.models.aliases import Floats, Ints, Mask
from aftercast.models.metrics.bootstrap import Drawn, share
from aftercast.models.metrics.failures import Alarms, Rows
from aftercast.models.metrics.rows import Draw, Sorted, brier, expected_calibration_error, log_loss, pr_auc, roc_auc
from aftercast.operations.clocks import DAY_US

Values = tuple[Ints, Floats | Mask]
"""Device and value of each row or failure, shape (m,) each."""


@dataclass(frozen=True)
class Metric:
    """What every metric has.

    Attributes
    ----------
    title
        Name for people; the heading of its column.
    better
        Whether a better model has a higher or a lower value.
    format
        How numbers are written.
    shown
        Whether tables of models have a column for it.
    """

    name: str
    title: str
    better: Literal["higher", "lower"]
    format: str = ".4g"
    shown: bool = True

    @property
    def drawable(self) -> bool:
        """Whether it has an interval."""
        return False

    def text(self, value: float | None) -> str:
        """Value for people; empty where undefined."""
        return "" if value is None else format(value, self.format)


@dataclass(frozen=True)
class RowMetric(Metric):
    """Metric of the probabilities of rows.

    Attributes
    ----------
    compute
        From events and probabilities, shape (n,), n > 0; None where undefined.
    drawn
        The same in a draw of devices, NaN where undefined; None for a metric without interval.
    noisy
        Whether it grows with every noise.
    """

    compute: Callable[[Mask, Floats], float | None] = lambda *_: None
    drawn: Callable[[Draw], float] | None = None
    noisy: bool = False

    @property
    def drawable(self) -> bool:
        """Whether it has an interval."""
        return self.drawn is not None


@dataclass(frozen=True)
class RatioMetric(Metric):
    """Ratio of two sums over rows or failures.

    Attributes
    ----------
    part
        What is summed up of alarms.
    whole
        What it is divided by, whatever the alarms; None: the alarms themselves.
    scale
        For rates, which are no shares: what to multiply by; 0 for shares.
    """

    part: Callable[[Alarms], Values] = lambda alarms: (alarms.rows.owner, alarms.spent)
    whole: Callable[[Rows], Values] | None = None
    scale: float = 0.0

    @property
    def drawable(self) -> bool:
        """Whether it has an interval."""
        return True

    def compute(self, alarms: Alarms) -> float | None:
        """Value; None where undefined."""
        below = float(self.below(alarms)[1].sum())
        return float(self.part(alarms)[1].sum()) * (self.scale or 1.0) / below if below > 0 else None

    def draws(self, alarms: Alarms, weights: Floats) -> Drawn:
        """Value in each draw; what has an alarm at a threshold has it in every draw."""
        return share(weights, self.part(alarms), self.below(alarms), scale=self.scale)

    def below(self, alarms: Alarms) -> Values:
        """What the part is divided by."""
        return (alarms.rows.owner, alarms.spent) if self.whole is None else self.whole(alarms.rows)


@dataclass(frozen=True)
class AlarmMetric(Metric):
    """Metric of alarms that is no ratio of sums, so that it has no interval.

    Attributes
    ----------
    compute
        From certain alarms; None where undefined.
    """

    compute: Callable[[Alarms], float | None] = lambda _: None


def _events(rows: Rows) -> Values:
    return rows.owner, rows.event & rows.known


def _failures(rows: Rows) -> Values:
    return rows.failure_owner, np.ones(len(rows.failure_us))


def _months(rows: Rows) -> Values:
    """Watched time of each row, device-months of 30 days."""
    return rows.owner, np.where(rows.known, rows.every_us / (30 * DAY_US), 0.0)


FOUND: Final = "recall_per_failure"
METRICS: Final[dict[str, Metric]] = {
    metric.name: metric
    for metric in (
        RowMetric("roc_auc", "ROC-AUC", "higher", compute=roc_auc, drawn=Draw.roc_auc),
        RowMetric("pr_auc", "PR-AUC", "higher", compute=pr_auc, drawn=Draw.pr_auc),
        RowMetric("brier", "Brier score", "lower", compute=brier, drawn=Draw.brier),
        RowMetric("log_loss", "log loss", "lower", compute=log_loss),
        RowMetric("ece", "ECE", "lower", compute=expected_calibration_error, drawn=Draw.ece, noisy=True),
        RatioMetric("precision", "precision", "higher", part=lambda a: (a.rows.owner, a.true)),
        RatioMetric("recall", "recall", "higher", part=lambda a: (a.rows.owner, a.true), whole=_events),
        RatioMetric(
            FOUND, "share of events found", "higher", part=lambda a: (a.failure_owner, a.found), whole=_failures
        ),
        AlarmMetric("median_lead_time_hours", "lead time, h", "higher", compute=Alarms.median_lead_time_hours),
        RatioMetric(
            "false_alarms_per_device_month",
            "false alarms per device-month",
            "lower",
            part=lambda a: (a.rows.owner, a.false),
            whole=_months,
            scale=1.0,
            shown=False,
        ),
        RatioMetric(
            "false_visits_per_1000_device_months",
            "false visits per 1,000 device-months",
            "lower",
            part=lambda a: (a.rows.owner, a.false_visits),
            whole=_months,
            scale=1000.0,
        ),
    )
}


def shown_metrics() -> list[Metric]:
    """Metrics that tables of models have a column for."""
    return [metric for metric in METRICS.values() if metric.shown]


def ranked_metrics() -> list[RowMetric]:
    """Metrics of rows that have an interval: what can be said of any rows with a probability."""
    return [metric for metric in METRICS.values() if isinstance(metric, RowMetric) and metric.drawable]


def ratio_metrics() -> list[RatioMetric]:
    """Metrics of alarms that have an interval."""
    return [metric for metric in METRICS.values() if isinstance(metric, RatioMetric)]


def row_metrics(event: Mask, probability: Floats) -> dict[str, float | None]:
    """Every metric of the probabilities of n rows, None where it is undefined (no rows, no events, only events)."""
    chosen = [metric for metric in METRICS.values() if isinstance(metric, RowMetric)]
    return {metric.name: metric.compute(event, probability) if len(event) > 0 else None for metric in chosen}


def alarm_metrics(rows: Rows, flagged: Mask) -> dict[str, Any]:
    """Every metric of certain alarms at n rows, None where undefined, and how many failures there are and were found.

    Failures are the distinct ones (device, component, time) that have a scored cutoff in ``[t - H, t)``.
    """
    alarms = Alarms.certain(rows, flagged)
    chosen = [metric for metric in METRICS.values() if isinstance(metric, RatioMetric | AlarmMetric)]
    counts = {"failures": len(rows.failure_us), "found": round(alarms.found.sum())}
    return counts | {metric.name: metric.compute(alarms) for metric in chosen}


def row_draws(rows: Sorted, weights: Floats) -> dict[str, Drawn]:
    """Every metric of rows that has an interval, in each draw; weights of the devices, shape (draws, devices)."""
    chosen = {metric.name: metric.drawn for metric in ranked_metrics() if metric.drawn is not None}
    found = {name: np.full(len(weights), np.nan) for name in chosen}
    for i, draw in enumerate(rows.draws(weights)):
        if draw.weight.sum() > 0:
            for name, drawn in chosen.items():
                found[name][i] = drawn(draw)
    return {metric.name: Drawn(found[metric.name], noisy=metric.noisy) for metric in ranked_metrics()}


def alarm_draws(rows: Rows, flagged: Mask, weights: Floats) -> dict[str, Drawn]:
    """Every metric of certain alarms that has an interval, in each draw."""
    alarms = Alarms.certain(rows, flagged)
    return {metric.name: metric.draws(alarms, weights) for metric in ratio_metrics()}


def title(name: str) -> str:
    """Name of a metric for people; one under a budget is ``<budget>: <metric>``."""
    budget, _, metric = name.rpartition(": ")
    known = METRICS[metric].title
    return f"{known} at a budget of {budget}" if budget else known


def table_of(found: Mapping[str, Mapping[str, float | None]]) -> tuple[list[str], list[list[str]]]:
    """Columns and rows of a table of models, of their metrics by name."""
    chosen = shown_metrics()
    rows = [[who, *(metric.text(values.get(metric.name)) for metric in chosen)] for who, values in found.items()]
    return ["", *(metric.title for metric in chosen)], rows
