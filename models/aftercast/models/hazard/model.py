"""The hazard model itself: boosters by interval and component, their calibrators and thresholds, and prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from aftercast.features.labels import Labels
from aftercast.models.aliases import Floats, Ints, Mask
from aftercast.models.hazard.boosters import BinnedRows, fit_booster
from aftercast.models.hazard.calibration import OF_ONE, Calibrator, fit_calibrator, moved
from aftercast.models.hazard.cell import Cell
from aftercast.models.hazard.intervals import IntervalRows, interval_rows
from aftercast.models.hazard.probability_intervals import Band
from aftercast.models.hazard.risks import Risks, combine
from aftercast.models.hazard.schema import Matrix, Schema
from aftercast.models.hazard.settings import HazardSettings
from aftercast.models.hazard.threads import in_threads
from aftercast.models.saved_json import load_json, save_json
from aftercast.operations.clocks import format_duration

ROWS_WORTH_THREADS: Final = 5_000
FILE: Final = "model.json"
FORMAT: Final = 4


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
    rare
        Components with too few failures: forecast by their base rate alone.
    bands
        ``bands[k]`` gives the interval of the probability of any component within ``horizons_us[k]``; None where the
        later part of the training time was too short to tell.
    """

    components: tuple[str, ...]
    horizons_us: Ints
    schema: Schema
    cells: tuple[tuple[Cell, ...], ...]
    thresholds: Floats
    rare: tuple[str, ...]
    settings: HazardSettings
    bands: tuple[Band | None, ...]

    @classmethod
    def fit(
        cls,
        features: pd.DataFrame,
        labels: Labels,
        horizons_us: Sequence[int] | Ints,
        components: Sequence[str],
        settings: HazardSettings | None = None,
        *,
        rare: Sequence[str] = (),
        validation: tuple[pd.DataFrame, Labels] | None = None,
        rounds: Sequence[Sequence[int]] | None = None,
        owner: Ints | None = None,
    ) -> HazardModel:
        """Grow the boosters, uncalibrated.

        Parameters
        ----------
        features, labels
            n aligned rows.
        rare
            Components that get their base rate instead of boosters.
        validation
            Later rows whose log loss stops the growing.
        rounds
            Rounds of each ``[k][c]``, e.g. of a model stopped before; growing then does not stop early.
        owner
            Number of the device of each row, shape (n,): a member leaves out whole devices. Every row is its own where
            None.
        """
        chosen = settings or HazardSettings()
        schema = Schema.of(features)
        horizons = np.asarray(horizons_us, dtype=np.int64)
        binned = BinnedRows.of(schema.matrix(features), labels, schema.categorical)
        later = None
        if validation is not None:
            later = BinnedRows.of(schema.matrix(validation[0]), validation[1], schema.categorical, reference=binned)
        missed_by = _missed_by(np.arange(len(features)) if owner is None else owner, chosen)
        growth = _Growth(binned, chosen, tuple(rare), later, missed_by)
        wanted = [
            (c, name, (start, end), None if rounds is None else rounds[k][c])
            for k, (start, end) in enumerate(_bounds(horizons))
            for c, name in enumerate(components)
        ]
        grown = iter(in_threads(growth.cell, wanted, chosen.workers))
        cells = tuple(tuple(next(grown) for _ in components) for _ in horizons)
        thresholds = np.full((len(horizons), len(components) + 1), np.nan)
        none = (None,) * len(horizons)
        return cls(tuple(components), horizons, schema, cells, thresholds, tuple(rare), chosen, none)

    @property
    def rounds(self) -> list[list[int]]:
        """Rounds of each cell, 0 where it has no booster."""
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

        The components of an interval share a calibrator; each strays from it as far as its own failures demand.
        """
        raw = self._raw(self.schema.matrix(features))
        wanted = [(row, raw[:, k], labels, *_bounds(self.horizons_us)[k]) for k, row in enumerate(self.cells)]
        found = in_threads(self._calibrated_row, wanted, self.settings.workers)
        model = replace(self, cells=tuple(found))
        return model, combine(model._calibrated(raw), self.horizons_us, self.components)

    def _calibrated_row(
        self, row: tuple[Cell, ...], hazard: Floats, labels: Labels, start: int, end: int
    ) -> tuple[Cell, ...]:
        repeats = max((end - start) / self.settings.every_us, 1.0)
        seen: dict[int, tuple[Floats, Mask, Floats]] = {}
        for c, cell in enumerate(row):
            if cell.boosters:
                found = interval_rows(labels, c, start, end)
                seen[c] = (hazard[found.rows, c], found.event, found.weight / repeats)
        if not seen:
            return row
        shared = fit_calibrator(*(np.concatenate(parts) for parts in zip(*seen.values(), strict=True)))
        own = {c: fit_calibrator(*rows, around=shared, spread=OF_ONE) for c, rows in seen.items()}
        return tuple(replace(cell, calibrator=own[c]) if c in own else cell for c, cell in enumerate(row))

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
                out[:, k, c] = raw[:, k, c] if not cell.boosters else cell.calibrator.apply(raw[:, k, c])
        return out

    def with_calibrators_of(self, other: HazardModel) -> HazardModel:
        """Model with the calibrators, thresholds and bands of another of the same shape."""
        cells = tuple(
            tuple(replace(cell, calibrator=theirs.calibrator) for cell, theirs in zip(row, other_row, strict=True))
            for row, other_row in zip(self.cells, other.cells, strict=True)
        )
        return replace(self, cells=cells, thresholds=other.thresholds, bands=other.bands)

    def shifted(self, log_odds: Floats, any_log_odds: float) -> HazardModel:
        """Model for another base rate: the log-odds of each component's hazards are moved, and all that hangs on them.

        Where only the rate of failures moved, and not how failing devices look, the odds of every row move by the same
        factor (Saerens, Latinne and Decaestecker 2002).

        Parameters
        ----------
        log_odds
            Shape (C,).
        any_log_odds
            For the thresholds and bands of any component.
        """
        cells = tuple(tuple(cell.shifted(by) for cell, by in zip(row, log_odds, strict=True)) for row in self.cells)
        thresholds = moved(self.thresholds, np.append(log_odds, any_log_odds))
        bands = tuple(None if band is None else band.shifted(any_log_odds) for band in self.bands)
        return replace(self, cells=cells, thresholds=thresholds, bands=bands)

    def intervals(self, risks: Risks) -> Floats:
        """Intervals of the probability of any component by horizon, shape (n, H, 2); NaN where there is no band."""
        out = np.full((*risks.any_probability.shape, 2), np.nan)
        for k, band in enumerate(self.bands):
            if band is not None:
                out[:, k] = band.interval(risks.any_probability[:, k])
        return out

    def table(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Probabilities of feature rows, n rows: columns ``any_<horizon>`` and ``<component>_<horizon>``."""
        risks, columns = self.predict(frame), {}
        for h, end in enumerate(risks.horizons_us):
            horizon = format_duration(int(end))
            columns[f"any_{horizon}"] = risks.any_probability[:, h]
            for c, component in enumerate(risks.components):
                columns[f"{component}_{horizon}"] = risks.probability[:, h, c]
        return pd.DataFrame(columns)

    def save(self, folder: Path) -> None:
        """Write boosters as LightGBM text and everything else as JSON into a folder; no pickle."""
        save_json(self, folder / FILE, FORMAT)

    @classmethod
    def load(cls, folder: Path) -> HazardModel:
        """Read what :meth:`save` wrote; predictions are equal to the bit.

        Raises
        ------
        ModelMismatchError
            If the folder holds no model of this version of aftercast.
        """
        return load_json(cls, folder / FILE, FORMAT, what="hazard model")


@dataclass(frozen=True)
class _Growth:
    binned: BinnedRows
    settings: HazardSettings
    rare: tuple[str, ...]
    later: BinnedRows | None
    missed_by: Ints

    def cell(self, c: int, name: str, bounds: tuple[int, int], rounds: int | None) -> Cell:
        found = self.binned.interval(c, *bounds)
        later = None if self.later is None else (self.later, self.later.interval(c, *bounds))
        members = [] if name in self.rare else self._members(found)
        span = bounds[1] - bounds[0]
        boosters = (
            fit_booster(self.binned, rows, settings, span_us=span, later=later, rounds=rounds)
            for settings, rows in members
        )
        return Cell(tuple(boosters), found.rate, Calibrator())

    def _members(self, found: IntervalRows) -> list[tuple[HazardSettings, IntervalRows]]:
        """Settings and rows of each member that has something to tell apart."""
        count, out = self.settings.members, []
        for member in range(count):
            rows = found.without(self.missed_by == member) if count > 1 else found
            if 0 < rows.events < len(rows.rows):
                seed = self.settings.seed * count + member
                out.append((replace(self.settings, seed=seed), rows.sampled(self.settings.maximum_rows, seed)))
        return out


def _missed_by(owner: Ints, settings: HazardSettings) -> Ints:
    """Which member leaves out each row: devices are dealt to the members at random, shape (n,)."""
    devices = int(owner.max(initial=-1)) + 1
    return np.asarray(np.random.default_rng(settings.seed).permutation(devices)[owner] % settings.members)


def _bounds(horizons: Ints) -> list[tuple[int, int]]:
    ends: list[Any] = horizons.tolist()
    return list(zip([0, *ends[:-1]], ends, strict=True))
