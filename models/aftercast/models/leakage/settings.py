"""What the leakage linter asks before it says that a feature leaks; every threshold in one place."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LeakageSettings:
    """Size of the samples and thresholds of the checks.

    Attributes
    ----------
    devices, cutoffs
        The replay looks at so many ids at so many cutoffs at most.
    column_devices, column_rows
        Columns are judged on so many ids and about so many rows at most; ids are taken whole.
    chance
        An exact coincidence stops where fewer than this share of the ways to deal the values to devices (or the
        events to rows) would show it.
    statistical_chance
        A statistical finding stops below this probability, shared out over the columns (Bonferroni).
    events
        A rule without a mistake stops from so many distinct events on: the lower 95 % bound of its precision and
        recall is then at least .9 (Clopper & Pearson 1934: .05 ** (1 / 29) = .902).
    auc
        A single feature separates events too well from this ROC-AUC on (warning).
    remaining
        Rank correlation with the remaining records, age and calendar apart, that stops; above two thirds of it warns.
    share
        Part of the devices (or gaps) that must show a pattern which honest columns never show.
    model_auc
        ROC-AUC of a whole model on its validation period from which it is called too good (warning).
    """

    devices: int = 25
    cutoffs: int = 8
    column_devices: int = 200
    column_rows: int = 60_000
    chance: float = 1e-6
    statistical_chance: float = 1e-3
    events: int = 29
    auc: float = 0.99
    remaining: float = 0.9
    share: float = 0.95
    model_auc: float = 0.995
