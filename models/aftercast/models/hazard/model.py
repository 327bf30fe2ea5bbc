"""The hazard model itself: boosters by interval and component, their calibrators and thresholds, and prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import pandas as pd

from aftercast.features.labels import Labels
from aftercast.models.calibration import Calibrator, fit_calibrator
from aftercast.models.hazard.boosters import Ground, fit_booster
from aftercast.models.hazard.cell import Cell
from aftercast.models.hazard.intervals import IntervalRows, interval_rows
from aftercast.models.hazard.persistence import load_model, save_model
from aftercast.models.hazard.risks import Floats, Risks, combine
from aftercast.models.hazard.schema import Matrix, Schema
from aftercast.models.hazard.settings import HazardSettings
from aftercast.models.hazard.threads import in_threads

ROWS_WORTH_THREADS: Final = 5_000


@dataclass(frozen=True)
class HazardModel:
    """Probability that each component fails within each horizon, given features at a cutoff.

    Attributes
    ----------
    components, horizons_us
        What is forecast; horizons ascending, microseconds.
    schema
        Columns it reads.
    cells
        ``cells[k][c]`` is the hazard of component c in the interval ``(horizons_us[k - 1], horizons_us[k]]``.
    thresholds
        Shape (H, C + 1): the probability from which a row is called failing, last column for any component; NaN where
        the later part of the training time held no failure to choose it by.
    pooled
        Components with too few failures: judged by their base rate alone.
    """

    components: tuple[str, ...]
    horizons_us: npt.NDArray[np.int64]
    schema: Schema
    cells: tuple[tuple[Cell, ...], ...]
    thresholds: Floats
    pooled: tuple[str, ...]
    settings: HazardSettings

    @classmethod
    def fit(
        cls,
        features: pd.DataFrame,
        labels: Labels,
        horizons_us: Sequence[int] | npt.NDArray[np.int64],
        components: Sequence[str],
        settings: HazardSettings | None = None,
        *,
        pooled: Sequence[str] = (),
        validation: tuple[pd.DataFrame, Labels] | None = None,
        rounds: Sequence[Sequence[int]] | None = None,
    ) -> HazardModel:
        """Grow the boosters, uncalibrated.

        Parameters
        ----------
        features, labels
            n aligned rows.
        pooled
            Components that get their base rate instead of boosters.
        validation
            Later rows whose log loss stops the growing.
        rounds
            Rounds of each ``[k][c]``, e.g. of a model stopped before; growing then does not stop early.
        """
        chosen = settings or HazardSettings()
        schema = Schema.of(features)
        horizons = np.asarray(horizons_us, dtype=np.int64)
        ground = Ground.of(schema.matrix(features), labels, schema.categorical)
        later = None
        if validation is not None:
            later = Ground.of(schema.matrix(validation[0]), validation[1], schema.categorical, reference=ground)
        growth = _Growth(ground, chosen, tuple(pooled), later)
        wanted = [
            (c, name, start, end, None if rounds is None else rounds[k][c])
            for k, (start, end) in enumerate(_bounds(horizons))
            for c, name in enumerate(components)
        ]
        grown = iter(in_threads(growth.cell, wanted, chosen.workers))
        cells = tuple(tuple(next(grown) for _ in components) for _ in horizons)
        thresholds = np.full((len(horizons), len(components) + 1), np.nan)
        return cls(tuple(components), horizons, schema, cells, thresholds, tuple(pooled), chosen)

    @property
    def rounds(self) -> list[list[int]]:
        """Rounds of each booster, 0 where there is none."""
        return [[cell.rounds for cell in row] for row in self.cells]

    def predict(self, features: pd.DataFrame) -> Risks:
        """Risks of n rows.

        Raises
        ------
        ModelMismatchError
            If the columns are not those of training.
        """
        return combine(self.hazards(self.schema.matrix(features)), self.horizons_us, self.components)

    def hazards(self, matrix: Matrix, *, calibrated: bool = True) -> Floats:
        """Hazards of the intervals, shape (n, H, C), of rows in the matrix form of the schema."""
        raw = self._raw(matrix)
        return self._calibrated(raw) if calibrated else raw

    def calibrated_on(self, features: pd.DataFrame, labels: Labels) -> tuple[HazardModel, Risks]:
        """Model whose hazards are calibrated on later rows, and its risks of them.

        A cell with few failures stays nearly as it is.
        """
        raw = self._raw(self.schema.matrix(features))
        wanted = [
            (cell, raw[:, k, c], interval_rows(labels, c, start, end))
            for k, (start, end) in enumerate(_bounds(self.horizons_us))
            for c, cell in enumerate(self.cells[k])
        ]
        found = iter(in_threads(_calibrated_cell, wanted, self.settings.workers))
        model = replace(self, cells=tuple(tuple(next(found) for _ in row) for row in self.cells))
        return model, combine(model._calibrated(raw), self.horizons_us, self.components)

    def _raw(self, matrix: Matrix) -> Floats:
        cells = [(cell, matrix) for row in self.cells for cell in row]
        workers = self.settings.workers if len(matrix) >= ROWS_WORTH_THREADS else 1
        found = in_threads(Cell.raw_hazard, cells, workers)
        shape = (len(matrix), len(self.horizons_us), len(self.components))
        return np.stack(found, axis=1).reshape(shape) if found else np.empty(shape)

    def _calibrated(self, raw: Floats) -> Floats:
        out = np.empty_like(raw)
        for k, row in enumerate(self.cells):
            for c, cell in enumerate(row):
                out[:, k, c] = raw[:, k, c] if cell.booster is None else cell.calibrator.apply(raw[:, k, c])
        return out

    def with_calibrators_of(self, other: HazardModel) -> HazardModel:
        """Model with the calibrators and thresholds of another of the same shape."""
        cells = tuple(
            tuple(replace(cell, calibrator=theirs.calibrator) for cell, theirs in zip(row, other_row, strict=True))
            for row, other_row in zip(self.cells, other.cells, strict=True)
        )
        return replace(self, cells=cells, thresholds=other.thresholds)

    def save(self, folder: Path) -> None:
        """Write boosters as LightGBM text and everything else as JSON into a folder; no pickle."""
        save_model(self, folder)

    @classmethod
    def load(cls, folder: Path) -> HazardModel:
        """Read what :meth:`save` wrote; predictions are equal to the bit.

        Raises
        ------
        ModelMismatchError
            If the folder holds no model of this version of aftercast.
        """
        return cls(**load_model(folder))


@dataclass(frozen=True)
class _Growth:
    ground: Ground
    settings: HazardSettings
    pooled: tuple[str, ...]
    later: Ground | None

    def cell(self, c: int, name: str, start: int, end: int, rounds: int | None) -> Cell:
        found = self.ground.interval(c, start, end)
        none = name in self.pooled or found.events == 0 or found.events == len(found.rows)
        booster: lgb.Booster | None = None
        if not none:
            later = None if self.later is None else (self.later, self.later.interval(c, start, end))
            sampled = found.sampled(self.settings.maximum_rows, self.settings.seed)
            booster = fit_booster(self.ground, sampled, self.settings, later=later, rounds=rounds)
        return Cell(booster, found.rate, Calibrator())


def _bounds(horizons: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    ends: list[Any] = horizons.tolist()
    return list(zip([0, *ends[:-1]], ends, strict=True))


def _calibrated_cell(cell: Cell, hazard: Floats, found: IntervalRows) -> Cell:
    if cell.booster is None:
        return replace(cell, calibrator=Calibrator())
    return replace(cell, calibrator=fit_calibrator(hazard[found.rows], found.event, found.weight))
