"""Words of a kind that forecasts events: what happens to whom, and what a planner does about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class HazardWords:
    """Words for the answers of a kind.

    Attributes
    ----------
    event, verb
        What happens, as in "a failure" and "the device fails".
    act
        What a planner does: ``visit`` a device, or ``call`` a customer.
    by_component
        Whether an answer names the most likely component.
    """

    event: str
    verb: str
    act: Literal["visit", "call"]
    by_component: bool
