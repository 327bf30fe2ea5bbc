"""What a row is about: a device or a customer, the table of its standing facts, and when it begins and ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aftercast.features.examples import Grain


@dataclass(frozen=True)
class Entity:
    """What the ids of a grain name.

    Attributes
    ----------
    noun
        Word for one of them.
    table
        Contract table of its standing facts.
    began, ended
        Columns of that table: from when and until when it can be at risk.
    begins, has_ended
        Words for these two, as in "the device *is installed* only on" and "the device had *been retired* by".
    """

    noun: str
    table: str
    began: str
    ended: str
    begins: str
    has_ended: str


ENTITIES: Final[dict[Grain, Entity]] = {
    "device_id": Entity("device", "devices", "installed_at", "retired_at", "is installed", "been retired"),
    "customer_id": Entity("customer", "customers", "since", "left_at", "begins", "left"),
}
