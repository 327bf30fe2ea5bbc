"""Risks between the horizons of a model: the cumulative hazard -log(1 - p) is interpolated linearly from (0, 0).

That is the hazard of Nelson and Aalen held constant inside an interval; at the model's own horizons a probability stays
as it is.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence


def place(horizons_us: Sequence[int], duration_us: int) -> tuple[int, float]:
    """Number of the interval in which a duration ends, and the share of that interval within it, 1 at its end.

    Parameters
    ----------
    horizons_us
        Shape (H,), ascending; duration_us in (0, horizons_us[-1]].

    >>> place([10, 20], 15), place([10, 20], 10)
    ((1, 0.5), (0, 1.0))
    """
    at = bisect_left(horizons_us, duration_us)
    start = 0 if at == 0 else horizons_us[at - 1]
    return at, (duration_us - start) / (horizons_us[at] - start)


def risk_within(horizons_us: Sequence[int], risks: Sequence[float], horizon_us: int) -> float:
    """Probability within a horizon in (0, horizons_us[-1]]; NaN where one it is made of is NaN.

    >>> risk_within([10, 20], [0.0, 1.0], 10), risk_within([10, 20], [0.0, 1.0], 20)
    (0.0, 1.0)
    >>> round(risk_within([10], [0.75], 5), 9)
    0.5
    """
    at, share = place(horizons_us, horizon_us)
    if share == 1.0:
        return risks[at]
    if at > 0 and risks[at - 1] >= 1:
        return 1.0
    before = _hazard(risks[at - 1]) if at > 0 else 0.0
    return -math.expm1(-(before + share * (_hazard(risks[at]) - before)))


def time_to(horizons_us: Sequence[int], risks: Sequence[float], share: float) -> float | None:
    """Time after which the probability reaches a share in (0, 1), microseconds; None beyond the longest horizon.

    The inverse of :func:`risk_within`.

    >>> time_to([10], [0.75], 0.5), time_to([10], [0.75], 0.8)
    (5.0, None)
    """
    wanted = _hazard(share)
    start, before = 0, 0.0
    for end, risk in zip(horizons_us, risks, strict=True):
        reached = _hazard(risk)
        if wanted <= reached:
            part = 1.0 if math.isinf(reached) else (wanted - before) / (reached - before)
            return start + part * (end - start)
        start, before = end, reached
    return None


def _hazard(risk: float) -> float:
    return math.inf if risk >= 1 else -math.log1p(-risk)
