"""Mean and spread of groups of neighbouring rows, summed in row order."""

from __future__ import annotations

import numpy as np

from aftercast.data.arrays import Floats, Ints
from aftercast.features.windows.arrays import compiled


@compiled
def group_deviation(group: Ints, values: Floats, minimum: int) -> Floats:
    """Return (value - mean of its group) / sample std of its group, shape (n,).

    Rows of a group are neighbours. NaN where the value is missing, fewer than ``minimum`` rows of the group have one,
    or the spread is zero.
    """
    out = np.full(len(values), np.nan)
    begin = 0
    while begin < len(values):
        end = begin
        count, mean, squares = 0, 0.0, 0.0
        while end < len(values) and group[end] == group[begin]:
            if not np.isnan(values[end]):
                count += 1
                delta = values[end] - mean
                mean += delta / count
                squares += delta * (values[end] - mean)
            end += 1
        if count >= minimum and squares > 0.0:
            spread = np.sqrt(squares / (count - 1))
            for i in range(begin, end):
                out[i] = (values[i] - mean) / spread
        begin = end
    return out
