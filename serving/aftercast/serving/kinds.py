"""Kinds whose forecasts are probabilities, as the service answers them: what it takes and gives, by their grain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel

from aftercast.features.examples import Grain
from aftercast.models.kinds import every_kind
from aftercast.serving.wire.questions import CustomerRiskRequest, DeviceRiskRequest, RiskRequest
from aftercast.serving.wire.risk import (
    CustomerRisk,
    CustomerRiskAnswer,
    CustomerUnanswered,
    DeviceRisk,
    DeviceRiskAnswer,
    DeviceUnanswered,
    Risk,
)


@dataclass(frozen=True)
class Wire:
    """Wire models of a grain: of a question, its answer, and one result that holds a risk or says why there is none."""

    request: type[RiskRequest]
    answer: type[BaseModel]
    result: type[Risk]
    unanswered: type[BaseModel]


WIRES: Final[Mapping[Grain, Wire]] = {
    "device_id": Wire(DeviceRiskRequest, DeviceRiskAnswer, DeviceRisk, DeviceUnanswered),
    "customer_id": Wire(CustomerRiskRequest, CustomerRiskAnswer, CustomerRisk, CustomerUnanswered),
}


def served_kinds() -> tuple[str, ...]:
    """Kinds that the service holds in memory, in the order of their names."""
    return tuple(kind.name for kind in every_kind() if kind.shape == "hazard")
