"""Rule: what a fleet does without a model, a threshold or a recent fault code, with the failure rate of either side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from aftercast.data.fleet import FleetSpec
from aftercast.models.aliases import Floats, Mask
from aftercast.models.baselines.base import Baseline, BaselineData, outcomes, rate

FALLBACKS: Final = ("faults_count_", "complaint_count_")


@dataclass(frozen=True)
class Rule:
    """Rates by component of rows the rule passes and flags, shape (2, C)."""

    spec: FleetSpec
    rates: Floats

    def predict(self, features: pd.DataFrame) -> Floats:
        """Probability of each component, shape (n, C)."""
        return self.rates[flags(self.spec, features).astype(np.intp)]


def flags(spec: FleetSpec, features: pd.DataFrame) -> Mask:
    """Rows the rule flags, shape (n,).

    With rules in the spec: any sensor's greatest value in its shortest window above its threshold. Else: any fault
    code (for customers any complaint) in the shortest window there is.
    """
    flagged = np.zeros(len(features), dtype=bool)
    if spec.rules:
        for rule in spec.rules:
            column = _shortest(features, f"{rule.sensor}_max_")
            if column is not None:
                flagged |= features[column].to_numpy() > rule.above
        return flagged
    column = next((found for prefix in FALLBACKS if (found := _shortest(features, prefix)) is not None), None)
    return flagged if column is None else np.asarray(features[column].to_numpy() > 0)


def _shortest(features: pd.DataFrame, prefix: str) -> str | None:
    """Column ``<prefix><hours>h`` (or ``d``) with the least window."""
    found = [str(name) for name in features.columns if str(name).startswith(prefix)]
    windows = {name: name.removeprefix(prefix)[:-1] for name in found}
    timed = [name for name in found if windows[name].replace(".", "", 1).isdigit()]
    return min(timed, key=lambda name: float(windows[name]), default=None)


def _fit(data: BaselineData) -> Rule:
    flagged = flags(data.spec, data.features)
    rates = np.empty((2, len(data.labels.components)))
    for c, rows, event in outcomes(data):
        for side in (0, 1):
            chosen = event[flagged[rows] == bool(side)]
            rates[side, c] = rate(float(chosen.sum()), len(chosen))
    return Rule(data.spec, rates)


BASELINE = Baseline("rule", "the fleet's threshold rules, else any fault code in the shortest window", _fit)
