"""What the service says and takes for each kind of model: the one table to extend when it answers another kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel

from aftercast.models.examples.feature_list import GRAINS, TABLES
from aftercast.operations.database.forecasts import Kind
from aftercast.serving.wire.common import ResultProblem
from aftercast.serving.wire.questions import ChurnRiskRequest, FailureRiskRequest, RiskRequest
from aftercast.serving.wire.risk import (
    ChurnRisk,
    ChurnRiskAnswer,
    CustomerUnanswered,
    DeviceUnanswered,
    FailureRisk,
    FailureRiskAnswer,
    Risk,
)


@dataclass(frozen=True)
class ServedKind:
    """A kind of model as the service knows it.

    Attributes
    ----------
    noun
        What is asked about: a device, a customer.
    path, route_name, summary, about
        Of the route that answers it, for the OpenAPI document.
    usual_horizon
        Answered where a question names none.
    request, answer
        Wire models of a question and of its answer.
    result, unanswered
        Wire models of one result: a risk, or why there is none.
    """

    kind: Kind
    noun: str
    path: str
    route_name: str
    summary: str
    about: str
    usual_horizon: str
    request: type[RiskRequest]
    answer: type[BaseModel]
    result: type[Risk]
    unanswered: type[BaseModel]

    @property
    def id_name(self) -> str:
        """Column of the id, as in ``device_id``."""
        return GRAINS[self.kind]

    @property
    def table(self) -> str:
        """Table of the standing facts."""
        return TABLES[self.kind]

    @property
    def of_devices(self) -> bool:
        """Whether it judges devices."""
        return self.id_name == "device_id"

    def risk(self, entity_id: str, values: Mapping[str, Any]) -> BaseModel:
        """Result that holds a risk; of ``values`` those are taken that the kind has."""
        known = {name: value for name, value in values.items() if name in self.result.model_fields}
        return self.result.model_validate({**known, self.id_name: entity_id})

    def error(self, entity_id: str, problem: ResultProblem) -> BaseModel:
        """Result that says why there is no risk."""
        return self.unanswered.model_validate({self.id_name: entity_id, "error": problem})


_EACH: Final = "Each {noun} has a result of its own: a risk, or an error. One error does not affect the other results."
SERVED: Final[Mapping[Kind, ServedKind]] = {
    each.kind: each
    for each in (
        ServedKind(
            kind="failure",
            noun="device",
            path="/v1/failure-risk",
            route_name="failure_risk",
            summary="How likely are devices to fail, and why?",
            about=_EACH.format(noun="device")
            + "\n\nA question about one device may bring records that are not imported yet."
            " They count as if they were imported, and are not stored.",
            usual_horizon="7d",
            request=FailureRiskRequest,
            answer=FailureRiskAnswer,
            result=FailureRisk,
            unanswered=DeviceUnanswered,
        ),
        ServedKind(
            kind="churn",
            noun="customer",
            path="/v1/churn-risk",
            route_name="churn_risk",
            summary="How likely are customers to leave, and why?",
            about=_EACH.format(noun="customer"),
            usual_horizon="30d",
            request=ChurnRiskRequest,
            answer=ChurnRiskAnswer,
            result=ChurnRisk,
            unanswered=CustomerUnanswered,
        ),
    )
}
