"""Checks of columns: any feature matrix with labels, wherever its columns come from; one check a file in ``checks``."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

import numpy as np
import pandas as pd

from aftercast.features.examples import Examples
from aftercast.features.labels import Labels
from aftercast.features.replay.report import Finding, LeakageReport
from aftercast.models.leakage import checks
from aftercast.models.leakage.panel import Panel
from aftercast.models.leakage.settings import LeakageSettings
from aftercast.operations.clocks import DAY_US, to_us
from aftercast.operations.errors import InputError

HORIZONS_US: Final = (DAY_US, 7 * DAY_US, 30 * DAY_US)
SEED: Final = 0  # the sample is the same for the same matrix


@dataclass(frozen=True)
class ColumnCheck:
    """One kind of leak in columns.

    Attributes
    ----------
    find
        Findings in a panel, in any order.
    blind
        Why a panel cannot show this kind of leak, or not all of it; empty where it can.
    """

    name: str
    find: Callable[[Panel], Iterator[Finding]]
    blind: Callable[[Panel], str]


@cache
def column_checks() -> tuple[ColumnCheck, ...]:
    """Every check of the ``checks`` folder, by name."""
    names = sorted(module.name for module in pkgutil.iter_modules(checks.__path__))
    modules = (importlib.import_module(f"{checks.__name__}.{name}") for name in names)
    return tuple(ColumnCheck(name, module.find, module.blind) for name, module in zip(names, modules, strict=True))


def lint_columns(
    features: pd.DataFrame,
    examples: Examples,
    labels: Labels,
    *,
    attributes: Collection[str] = (),
    sources: Mapping[str, pd.Series] | None = None,
    proven: Collection[str] = (),
    horizons_us: Sequence[int] = HORIZONS_US,
    settings: LeakageSettings | None = None,
) -> LeakageReport:
    """Look for leaks in the columns of a feature matrix.

    Parameters
    ----------
    features
        n rows aligned with examples and labels: our own features, yours, or both.
    attributes
        Columns known from the start of each life (model, lot, region): they may be constant.
    sources
        Column -> UTC times, shape (n,), of when the record behind each value became known. A time after the cutoff is
        proof.
    proven
        Columns that a replay rebuilt from what was known at the cutoffs: what stops others is a warning for them,
        because the statistics show only that the column is odd.
    horizons_us
        Horizons of the forecast, ascending, microseconds.

    Raises
    ------
    InputError
        If the rows are not aligned, or a source is of no column.
    """
    given = sources or {}
    _require_aligned(features, examples, labels, given)
    panel = Panel(
        features.reset_index(drop=True),
        examples,
        labels,
        frozenset(attributes),
        {name: to_us(moments) for name, moments in given.items()},
        tuple(horizons_us),
        settings or LeakageSettings(),
    )
    names = map(str, features.columns)
    if len(features) == 0:
        return LeakageReport.of([], {"columns": "no rows to judge"}, names)
    panel = _sampled(panel)
    looked_at = f"{len(panel.examples)} rows of {len(panel.starts)} ids, {len(panel.names)} columns"
    found = [_weighed(each, proven) for check in column_checks() for each in check.find(panel)]
    checked = {f"{check.name} (columns)": check.blind(panel) or looked_at for check in column_checks()}
    return LeakageReport.of(found, checked, names)


def _require_aligned(
    features: pd.DataFrame, examples: Examples, labels: Labels, sources: Mapping[str, pd.Series]
) -> None:
    lengths = (len(features), len(examples), len(labels.valid), *map(len, sources.values()))
    if len(set(lengths)) > 1:
        raise InputError(
            f"Features, examples, labels and sources have {', '.join(map(str, lengths))} rows.",
            "Align them row by row.",
        )
    unknown = sorted(set(sources) - set(map(str, features.columns)))
    if unknown:
        raise InputError(f"The source '{unknown[0]}' is of no column.", "Name it as its column.")


def _sampled(panel: Panel) -> Panel:
    """Panel of whole lives: at most so many ids and rows as the settings say, chosen at random."""
    limits = panel.settings
    rows = np.diff(np.append(panel.starts, len(panel.examples)))
    order = np.random.default_rng(SEED).permutation(len(rows))[: limits.column_devices]
    chosen = order[np.cumsum(rows[order]) <= max(limits.column_rows, rows.max(initial=0))]
    if len(chosen) == len(rows):
        return panel
    return panel.take(np.isin(panel.owner, chosen))


def _weighed(found: Finding, proven: Collection[str]) -> Finding:
    if found.severity == "warning" or found.feature not in proven:
        return found
    reason = f"{found.reason} The replay rebuilt it from what was known, so look at the clock of its source."
    return replace(found, severity="warning", reason=reason)
