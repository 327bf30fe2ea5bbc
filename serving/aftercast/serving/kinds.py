"""Kinds whose forecasts are probabilities, as the service answers them: what it takes and gives, by their grain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel

from aftercast.features.examples import Grain
from aftercast.models.kinds import every_kind, hazard_kind
from aftercast.models.kinds.hazards import HazardKind
from aftercast.operations.errors import InputError
from aftercast.serving.wire.common import ResultProblem
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


@dataclass(frozen=True)
class ServedKind:
    """A kind whose forecasts are probabilities, as the service knows it."""

    kind: str
    noun: str
    usual_horizon: str
    id_name: Grain
    table: str
    wire: Wire

    @classmethod
    def of(cls, kind: HazardKind) -> ServedKind:
        """What the service needs of a kind."""
        entity = kind.entity
        return cls(kind.name, entity.noun, kind.usual_horizon, kind.grain, entity.table, WIRES[kind.grain])

    @property
    def of_devices(self) -> bool:
        """Whether it judges devices."""
        return self.id_name == "device_id"

    def risk(self, entity_id: str, values: Mapping[str, Any]) -> BaseModel:
        """Result that holds a risk; of ``values`` those are taken that the kind has."""
        known = {name: value for name, value in values.items() if name in self.wire.result.model_fields}
        return self.wire.result.model_validate({**known, self.id_name: entity_id})

    def error(self, entity_id: str, problem: ResultProblem) -> BaseModel:
        """Result that says why there is no risk."""
        return self.wire.unanswered.model_validate({self.id_name: entity_id, "error": problem})


class _Served(Mapping[str, ServedKind]):
    """Kinds by name, looked up once each; kinds of other shapes than probabilities are not among them."""

    def __init__(self) -> None:
        self._found: dict[str, ServedKind] = {}

    def __getitem__(self, name: str) -> ServedKind:
        if name not in self._found:
            try:
                self._found[name] = ServedKind.of(hazard_kind(name))
            except InputError as error:
                raise KeyError(name) from error
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return (kind.name for kind in every_kind() if kind.shape == "hazard")

    def __len__(self) -> int:
        return sum(1 for _ in self)


SERVED: Final[Mapping[str, ServedKind]] = _Served()
