"""The backtest of remaining life in folds of whole units, and the comparison of two of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from aftercast.models.judge.forecasts import rows_of_model, write_rows
from aftercast.models.kinds.remaining_life.assessment import Judged
from aftercast.models.kinds.remaining_life.evaluation import OURS, Sample, rmse_difference
from aftercast.models.kinds.remaining_life.settings import RemainingLifeSettings
from aftercast.models.kinds.remaining_life.tables import number, shown_intervals, shown_points, shown_source
from aftercast.models.text_table import page, text_table
from aftercast.operations.errors import InputError

if TYPE_CHECKING:
    from rich.console import RenderableType

COLUMNS: Final = ("model", "unit", "predicted", "remaining", "weight")


@dataclass(frozen=True)
class LifeBacktest:
    """Out-of-fold errors and intervals of a training beside its baselines.

    Attributes
    ----------
    about
        kind, until, data_version, component and what was left out.
    """

    about: Mapping[str, Any]
    judged: Judged

    @cached_property
    def _report(self) -> dict[str, Any]:
        return {**self.about, **self.judged.report()}

    def to_dict(self) -> dict[str, Any]:
        """Report as JSON values."""
        return self._report

    def shown(self) -> list[RenderableType]:
        """Texts and tables for a terminal."""
        report = self._report
        names = [name for name in report["models"] if not name.startswith(OURS)]
        rows = [[f"{each['fold']}", f"{each['units']}", *_fold_row(each, names)] for each in report["folds"]]
        columns = ["fold", "units", OURS, *names, "uncapped", "score", "coverage"]
        title = f"Fold by fold: capped RMSE of each; uncapped RMSE, score and coverage of {OURS}"
        return [
            *shown_points(f"All {len(report['folds'])} folds", report["models"], report["cap"]),
            text_table(title, columns, rows, right=range(len(columns))),
            shown_intervals("Intervals as the model gives them, widened by all folds", report["intervals"]),
            shown_intervals(
                "Intervals in each fold by the other folds only, as for new units", report["intervals_by_other_folds"]
            ),
            shown_source(report),
            f"RMSE less that of age alone: {number(report['against_age'], 2)} cycles.",
        ]

    def write_html(self, path: Path) -> None:
        """Write as one HTML page."""
        path.write_text(page(self.shown(), "Backtest of remaining life"), encoding="utf-8")

    def write_forecasts(self, path: Path) -> None:
        """Write the out-of-fold predictions as Parquet: model, unit, predicted, remaining (cycles), weight."""
        parts = [
            pa.table(
                {
                    "model": [name] * len(sample.unit),
                    "unit": sample.unit,
                    "predicted": sample.predicted,
                    "remaining": sample.truth,
                    "weight": sample.weight,
                }
            )
            for name, sample in self.judged.samples.items()
        ]
        meta = {"kind": self.about["kind"], "cap": self.judged.settings.cap}
        write_rows(pa.concat_tables(parts), meta, path)


@dataclass(frozen=True)
class LifeComparison:
    """Two models on the same rows of the same units.

    Attributes
    ----------
    difference
        Capped RMSE of B less that of A, with its 95 % interval over units; below 0 B is better.
    """

    a: str
    b: str
    units: int
    difference: list[float]

    @property
    def verdict(self) -> str:
        """Sentence on which is better."""
        _, low, high = self.difference
        if low <= 0 <= high:
            return "The error does not tell them apart: its interval holds 0."
        return f"{'B' if high < 0 else 'A'} is better by {number([abs(x) for x in self.difference], 2)} cycles of RMSE."

    def to_dict(self) -> dict[str, Any]:
        """Comparison as JSON values."""
        return {**vars(self), "verdict": self.verdict}

    def shown(self) -> list[RenderableType]:
        """Texts for a terminal."""
        return [f"A is {self.a}, B is {self.b}; {self.units} units.", self.verdict]


def compare_files(a: tuple[Path, str], b: tuple[Path, str]) -> LifeComparison:
    """Compare two models by the predictions of their backtests.

    Raises
    ------
    InputError
        If a file or model is not there, or the rows differ.
    """
    (first, cap), (second, other) = _read(*a), _read(*b)
    same = cap == other and np.array_equal(first.unit, second.unit)
    if not same or not np.allclose(first.truth, second.truth):  # one of them went through shares of the cap
        raise InputError("The two hold predictions of other units or another cap.", "Backtest both on the same data.")
    difference = rmse_difference(second, first, RemainingLifeSettings(cap=cap))
    labels = [f"{path.name}:{model or OURS}" for path, model in (a, b)]
    return LifeComparison(labels[0], labels[1], len(np.unique(first.unit)), difference)


def _read(path: Path, model: str) -> tuple[Sample, float]:
    rows, meta = rows_of_model(path, model or OURS, COLUMNS)
    columns = [rows[name].to_numpy() for name in ("predicted", "remaining", "unit", "weight")]
    return Sample(*columns), float(meta["cap"])


def _fold_row(fold: Mapping[str, Any], names: list[str]) -> list[str]:
    models, own = fold["models"], fold["models"][OURS]
    points = [number(own["rmse"], 1), *(f"{models[name]['rmse'][0]:.1f}" for name in names)]
    coverage = fold["intervals_by_other_folds"]["all"]["coverage"]
    return [*points, number(own["rmse_uncapped"], 1), number(own["score"], 0), number(coverage, 2)]
