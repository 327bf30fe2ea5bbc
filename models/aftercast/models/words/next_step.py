"""What to do about an answer: visit, ask why a device is silent, call a customer, or nothing yet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import pandas as pd

from aftercast.models.hazard.forecast import PartUse
from aftercast.models.kinds import hazard_kind

Code = Literal["visit", "contact", "reconnect", "decide", "wait"]


@dataclass(frozen=True)
class NextStep:
    """A suggestion for a planner.

    Attributes
    ----------
    code
        ``visit`` a device or ``contact`` a customer whose probability reaches the model's threshold, ``reconnect`` a
        device that does not report, ``decide`` where no threshold could be learnt, ``wait`` otherwise.
    """

    code: Code
    text: str


def next_step(
    kind: str,
    probability: float,
    threshold: float,
    until: pd.Timestamp,
    *,
    component: str | None = None,
    parts: Sequence[PartUse] = (),
    missing: Sequence[str] = (),
) -> NextStep:
    """Suggest what to do about a probability.

    Parameters
    ----------
    threshold
        Probability from which the model calls a row failing at the horizon; NaN where none could be learnt.
    until
        End of the horizon (UTC).
    missing
        Inputs of the device that had no value.

    Examples
    --------
    >>> next_step("failure", 0.4, 0.3, pd.Timestamp("2025-08-22", tz="UTC"), component="pump").text
    'Visit before 2025-08-22 00:00 UTC and check the pump.'
    """
    by, words = _shown(until), hazard_kind(kind).words
    if math.isnan(threshold):
        return NextStep("decide", "Decide by the probability: too few events were seen to learn a threshold.")
    if probability >= threshold:
        if words.act == "call":
            return NextStep("contact", f"Call the customer before {by}.")
        check = "" if component is None else f" and check the {component}{_bring(parts)}"
        return NextStep("visit", f"Visit before {by}{check}.")
    if missing:
        return NextStep("reconnect", f"No visit is due by {by}; ask why {_listed(missing)} did not report.")
    return NextStep("wait", f"No {words.act} is due by {by}; ask again after the next scoring.")


@lru_cache(maxsize=1024)
def _shown(moment: pd.Timestamp) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _bring(parts: Sequence[PartUse]) -> str:
    if not parts:
        return ""
    first = parts[0]
    return f"; bring {first.sku} (used in {first.repairs} of {first.of} such repairs)"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more inputs"
