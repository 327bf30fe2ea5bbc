"""Growing one LightGBM booster of one interval and component."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import lightgbm as lgb

from aftercast.features.labels import Labels
from aftercast.models.hazard.intervals import IntervalRows, interval_rows
from aftercast.models.hazard.schema import Matrix
from aftercast.models.hazard.settings import HazardSettings

ENOUGH_TO_STOP: Final = 5  # with fewer events in the later period its log loss is noise


@dataclass(frozen=True)
class Validation:
    """Rows of the later period, aligned with their labels."""

    matrix: Matrix
    labels: Labels

    def interval(self, component: int, start_us: int, end_us: int) -> tuple[Matrix, IntervalRows] | None:
        """Rows of one interval, None where they hold too few events to stop by."""
        found = interval_rows(self.labels, component, start_us, end_us)
        return None if found.events < ENOUGH_TO_STOP else (self.matrix, found)


def fit_booster(
    matrix: Matrix,
    found: IntervalRows,
    categorical: list[int],
    settings: HazardSettings,
    *,
    later: tuple[Matrix, IntervalRows] | None,
    rounds: int | None,
) -> lgb.Booster:
    """Booster of the rows of an interval; stopped by the later rows where there are any and no rounds are given."""
    parameters = settings.parameters(found.events)
    data = _dataset(matrix, found, categorical)
    if rounds is not None or later is None:
        return lgb.train(parameters, data, num_boost_round=rounds or settings.fallback_rounds)
    stop = lgb.early_stopping(settings.patience, verbose=False)
    watched = _dataset(*later, categorical, reference=data)
    grown = lgb.train(parameters, data, settings.rounds, valid_sets=[watched], callbacks=[stop])
    best = max(int(grown.best_iteration), 1)
    return lgb.Booster(model_str=grown.model_to_string(num_iteration=best))


def _dataset(
    matrix: Matrix, found: IntervalRows, categorical: list[int], reference: lgb.Dataset | None = None
) -> lgb.Dataset:
    return lgb.Dataset(
        matrix[found.rows],
        label=found.event.astype(float),
        weight=found.weight,
        categorical_feature=categorical,
        reference=reference,
        free_raw_data=True,
        params={"verbosity": -1},
    )
