"""A single column that tells the outcome: without a mistake, to the hour, or far better than precursors do.

What stops is a rule that makes no mistake over many events, or a countdown: honest precursors err. A column that
separates nearly perfectly is a warning, since there are honest ones (a fault code that comes before each failure of a
component); whether it is known before the event is what the replay shows. The figures tell of longer leads too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from scipy.stats import rankdata

from aftercast.features.replay.report import Finding
from aftercast.models.aliases import Floats, Ints, Mask
from aftercast.models.leakage.panel import FLOAT32_TOLERANCE, Panel
from aftercast.operations.clocks import DAY_US, HOUR_US, format_duration

NAME: Final = "target_proxy"
LEAST_EVENTS: Final = 10
HEALTHY_ROWS: Final = 2000
COUNTDOWN_ROWS: Final = 20


@dataclass(frozen=True)
class _Question:
    """Whether an event comes within a time from the cutoff.

    Attributes
    ----------
    soon, told
        Rows with an event in ``(0, end]``, and of how many events they tell.
    lead, events
        Rows whose next event is in ``(start, end]``, start being the end before; and of how many events they tell.
    negative
        Rows known to have none in ``(0, end]``.
    """

    outcome: str
    end_us: int
    soon: Mask
    told: int
    lead: Mask
    events: int
    negative: Mask

    @property
    def about(self) -> str:
        """In words."""
        return f"events ({self.outcome}) within {format_duration(self.end_us)}"


def find(panel: Panel) -> Iterator[Finding]:
    """Countdowns, rules without a mistake, and single columns that separate too well."""
    asked = {outcome: _questions(panel, outcome) for outcome in panel.outcomes}
    healthy = _sampled(panel)
    for name in panel.names:
        values = panel.values(name)
        filled = np.where(np.isnan(values), -np.inf, values)
        found = [*_countdown(panel, name, values), *_perfect(panel, name, filled, asked)]
        yield from found[:1] or _too_good(panel, name, filled, asked, healthy)


def blind(panel: Panel) -> str:
    """Enough events must be known."""
    most = max((len(panel.events(name).at_us) for name in panel.outcomes), default=0)
    return "" if most >= LEAST_EVENTS else f"not judged: {most} events, {LEAST_EVENTS} are the least"


def _questions(panel: Panel, outcome: str) -> list[_Question]:
    wait, follow_up = panel.time_to(outcome), panel.follow_up(outcome)
    found = []
    for start, end in pairwise((0, *panel.horizons_us)):
        soon = (wait <= end) & panel.labels.valid
        lead = soon & (wait > start)
        told, events = (_distinct(panel, wait, rows) for rows in (soon, lead))
        negative = (wait > end) & (follow_up >= end) & panel.labels.valid
        found.append(_Question(outcome, end, soon, told, lead, events, negative))
    return found


def _distinct(panel: Panel, wait: Ints, rows: Mask) -> int:
    """How many different events the rows tell of."""
    pairs = np.column_stack([panel.owner[rows], panel.cutoffs[rows] + wait[rows]])
    return len(np.unique(pairs, axis=0))


def _sampled(panel: Panel) -> Mask:
    """Rows that stand for all in rank statistics."""
    share = min(1.0, HEALTHY_ROWS / max(len(panel.examples), 1))
    return np.asarray(np.random.default_rng(0).random(len(panel.examples)) < share)


def _countdown(panel: Panel, name: str, values: Floats) -> Iterator[Finding]:
    """Whether the column is the time to the event in some unit, wherever the event is near."""
    for outcome in panel.outcomes:
        wait = panel.time_to(outcome)
        near = (wait <= panel.horizons_us[-1]) & np.isfinite(values)
        if near.sum() < COUNTDOWN_ROWS or _distinct(panel, wait, near) < LEAST_EVENTS:
            continue
        x, hours = values[near], wait[near] / HOUR_US
        if np.ptp(x) == 0.0 or np.ptp(hours) == 0.0:
            continue
        slope, offset = np.polyfit(hours, x, 1)
        error = np.abs(slope * hours + offset - x)
        unit = max(abs(slope) * 0.5, FLOAT32_TOLERANCE * np.abs(x).max())  # half an hour: it may be rounded to hours
        rounded = np.abs(slope) * DAY_US / HOUR_US * 1.01  # or to whole days
        exact = error.max() <= unit or (error.max() <= rounded and len(np.unique(x)) <= np.ptp(hours) / 24 + 2)
        if slope != 0.0 and exact:
            reason = f"counts down to the next event ({outcome}): it tells the time in all {near.sum()} rows before."
            yield Finding(NAME, name, "stop", reason, {"rows": int(near.sum()), "per_hour": float(slope)})
            return


def _perfect(panel: Panel, name: str, filled: Floats, asked: dict[str, list[_Question]]) -> Iterator[Finding]:
    """Whether one threshold makes no mistake over enough events."""
    for questions in asked.values():
        for question in questions:
            event, none = filled[question.soon], filled[question.negative]
            if question.told < panel.settings.events or len(none) == 0:
                continue
            if event.min() <= none.max() and event.max() >= none.min():
                continue
            bound = 0.05 ** (1 / question.told)
            reason = (
                f"tells {question.about} without one mistake: {question.told} events and {len(none)} rows without; "
                f"precision and recall are at least {bound:.2f} (95 %), no precursor is."
            )
            yield Finding(NAME, name, "stop", reason, {"events": question.told, "bound": bound})
            return


def _too_good(
    panel: Panel, name: str, filled: Floats, asked: dict[str, list[_Question]], sampled: Mask
) -> Iterator[Finding]:
    """Whether the column alone separates some events too well; the first such outcome and lead."""
    for questions in asked.values():
        enough = [question for question in questions if question.events >= LEAST_EVENTS]
        areas = [_auc(filled, question, sampled) for question in enough]
        if max(areas, default=0.0) < 1.0 - min(areas, default=1.0):  # low values tell of events
            areas = [1.0 - area for area in areas]
        for question, area in zip(enough, areas, strict=True):
            if area < panel.settings.auc:
                continue
            leads = {f"auc_{format_duration(q.end_us)}": value for q, value in zip(enough, areas, strict=True)}
            shown = ", ".join(f"{value:.3f} up to {key.removeprefix('auc_')}" for key, value in leads.items())
            reason = (
                f"alone separates {question.about} with ROC-AUC {area:.3f} over {question.events} events ({shown})."
            )
            yield Finding(NAME, name, "warning", reason, {"events": question.events, **leads})
            return


def _auc(filled: Floats, question: _Question, sampled: Mask) -> float:
    """ROC-AUC of the column for rows of a question, 0.5 where undefined."""
    event, none = filled[question.lead], filled[question.negative & sampled]
    if len(event) == 0 or len(none) == 0:
        return 0.5
    ranks = rankdata(np.concatenate([event, none]))
    return float((ranks[: len(event)].sum() - len(event) * (len(event) + 1) / 2) / (len(event) * len(none)))
