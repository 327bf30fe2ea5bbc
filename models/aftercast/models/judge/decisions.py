"""Decisions: what acting on forecasts costs at each threshold, and what it is worth against acting always or never."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from aftercast.data.fleet import Costs
from aftercast.models.aliases import Floats, Mask
from aftercast.models.metrics.failures import Rows, lead_times
from aftercast.models.metrics.visit_rates import at_least, false_visits

POINTS: Final = 60
ODDS: Final = tuple(float(each) for each in np.geomspace(1e-4, 9.0, 41))
"""Odds of the threshold probabilities of a decision curve: from one in ten thousand to nine in ten."""


def cost_curve(rows: Rows, probability: Floats, costs: Costs) -> dict[str, Any]:
    """Cost per device-month of 30 days over thresholds, as far as it depends on them.

    A failure that was not found in time costs ``missed_failure``, a visit whose watched horizon holds no failure
    ``needless_visit``; a visit that finds one costs nothing beyond the repair it brings forward. The best threshold is
    looked for on the rows that are judged.

    Parameters
    ----------
    probability
        Shape (n,).

    Returns
    -------
    dict
        currency, missed_failure, needless_visit, ``points`` by falling threshold (threshold None: nobody is visited),
        and ``best``, the point of least cost, of equal ones that with the fewest visits; points hold threshold,
        missed, needless, cost. ``points`` is empty and ``best`` None without known rows.
    """
    kept: dict[str, Any] = costs.model_dump()
    if not rows.known.any():
        return kept | {"points": [], "best": None}
    values = np.unique(probability[rows.known])[::-1]
    tried = np.unique(np.geomspace(1, len(values), POINTS).round().astype(np.int64)) - 1
    points = [_point(rows, probability, each, costs) for each in (None, *values[tried].tolist())]
    return kept | {"points": points, "best": min(points, key=lambda point: point["cost"])}


def _point(rows: Rows, probability: Floats, threshold: float | None, costs: Costs) -> dict[str, Any]:
    flagged = at_least(probability, threshold)
    missed = int(np.isnan(lead_times(rows, flagged)).sum())
    needless = false_visits(rows, flagged)
    cost = (missed * costs.missed_failure + needless * costs.needless_visit) / rows.device_months
    return {"threshold": threshold, "missed": missed, "needless": needless, "cost": cost}


def decision_curve(event: Mask, probability: Floats, costs: Costs) -> dict[str, Any]:
    """Net benefit of visiting whoever is at or above a threshold probability (Vickers and Elkin 2006).

    ``net benefit = true positives / n - false positives / n * p / (1 - p)``, in found events per row, where the odds of
    the threshold p say how many needless visits one found event is worth. Visiting nobody has 0.

    Parameters
    ----------
    event, probability
        Of n rows whose outcome is known.

    Returns
    -------
    dict
        ``threshold_of_costs``, the probability from which a visit pays at the costs of the spec (Elkan 2001, with a
        visit that finds a failure free of cost), and ``points``: threshold, net_benefit, visit_all.
    """
    total = costs.needless_visit + costs.missed_failure
    pays = costs.needless_visit / total if total > 0 else None
    points = [_benefit(event, probability, odds) for odds in ODDS] if len(event) > 0 else []
    return {"threshold_of_costs": pays, "points": points}


def _benefit(event: Mask, probability: Floats, odds: float) -> dict[str, float]:
    threshold, base = odds / (1 + odds), float(event.mean())
    return {
        "threshold": threshold,
        "net_benefit": net_benefit(event, probability, threshold),
        "visit_all": base - (1 - base) * odds,
    }


def net_benefit(event: Mask, probability: Floats, threshold: float) -> float:
    """Net benefit at one threshold probability in (0, 1); see :func:`decision_curve`."""
    flagged = probability >= threshold
    true, false = int((flagged & event).sum()), int((flagged & ~event).sum())
    return (true - false * threshold / (1 - threshold)) / len(event)
