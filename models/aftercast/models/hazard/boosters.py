"""Growing the LightGBM boosters of a hazard model, which share one binned data set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import lightgbm as lgb
import numpy as np

from aftercast.features.labels import Labels
from aftercast.models.hazard.intervals import IntervalRows, interval_rows
from aftercast.models.hazard.schema import Matrix
from aftercast.models.hazard.settings import HazardSettings

ENOUGH_TO_STOP: Final = 5  # with fewer events in the later period its log loss is noise
# LightGBM's number of threads is one setting of the whole process: data built with another number than the boosters
# that grow beside it make it read past its buffers.
DATA_PARAMETERS: Final = {"verbosity": -1, "feature_pre_filter": False, "num_threads": 1}


@dataclass(frozen=True)
class BinnedRows:
    """Rows with their labels, binned once; every booster trains on a part of them.

    Binning is most of the work of a small booster: one data set for all of a model's twenty makes training twice as
    fast.
    """

    data: lgb.Dataset
    labels: Labels

    @staticmethod
    def of(matrix: Matrix, labels: Labels, categorical: list[int], reference: BinnedRows | None = None) -> BinnedRows:
        """Bin rows; rows of a later period take the bins of their reference."""
        data = lgb.Dataset(
            matrix,
            label=np.zeros(len(matrix)),
            categorical_feature=categorical,
            reference=None if reference is None else reference.data,
            free_raw_data=False,
            params=DATA_PARAMETERS,
        )
        return BinnedRows(data.construct(), labels)

    def interval(self, component: int, start_us: int, end_us: int) -> IntervalRows:
        """Rows of one interval and component."""
        return interval_rows(self.labels, component, start_us, end_us)

    def part(self, found: IntervalRows) -> lgb.Dataset:
        """Return the rows of an interval as LightGBM's data."""
        part = self.data.subset(found.rows.tolist(), params=DATA_PARAMETERS).construct()
        part.set_label(found.event.astype(float))
        part.set_weight(found.weight)
        return part


def fit_booster(
    binned: BinnedRows,
    found: IntervalRows,
    settings: HazardSettings,
    *,
    span_us: int,
    later: tuple[BinnedRows, IntervalRows] | None,
    rounds: int | None,
) -> lgb.Booster:
    """Booster of the rows of an interval; stopped by later rows with enough events, unless rounds are given."""
    parameters = settings.parameters(found.events, span_us)
    data = binned.part(found)
    if rounds is not None or later is None or later[1].events < ENOUGH_TO_STOP:
        return lgb.train(parameters, data, num_boost_round=rounds or settings.fallback_rounds)
    stop = lgb.early_stopping(settings.patience, verbose=False)
    grown = lgb.train(parameters, data, settings.rounds, valid_sets=[later[0].part(later[1])], callbacks=[stop])
    best = max(int(grown.best_iteration), 1)
    return lgb.Booster(model_str=grown.model_to_string(num_iteration=best))
