"""Risk lists on the wire."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from aftercast.models.kinds import kind_names
from aftercast.serving.wire.common import Cutoff, Evidence, HorizonText, Instant, Request

MOST_LISTED: Final = 10_000
"""Longest list over HTTP; `aftercast risk-list` makes longer ones."""
USUAL_TOP: Final = 100
_EXAMPLE: Final[dict[str, Any]] = {
    "list_id": "5d1f0a9be77c4e21",
    "kind": "failure",
    "cutoff": "2025-08-15T00:00:00Z",
    "horizon": "7d",
    "model_version": "3",
    "data_version": 1,
    "judged": 500,
    "order": "probability, highest first; equal ones by device_id, ascending",
    "next_cursor": "1",
    "rows": [
        {
            "rank": 1,
            "device_id": "D0017",
            "device_model": "fridge-b",
            "customer_id": "C0042",
            "component": "compressor",
            "probability": 0.131,
            "component_probability": 0.124,
            "horizon": "7d",
            "sentence": "13.1 % likelihood of a failure within 7 days, most likely of the compressor (12.4 %)",
            "drivers": ["mean vibration 24 h 52.1 mm/s (usual for this model 40.3)"],
            "evidence": "telemetry",
            "missing": [],
            "data_as_of": "2025-08-14T23:00:00Z",
            "model_version": "3",
            "values": {},
        }
    ],
}


def _known(kind: str) -> str:
    if kind not in kind_names():
        raise ValueError(f"There is no such kind. There are: {', '.join(kind_names())}.")
    return kind


KindName = Annotated[str, AfterValidator(_known), Field(json_schema_extra={"enum": [*kind_names()]})]


class RiskListRequest(Request):
    """Asks for a list of the devices or customers most at risk."""

    kind: KindName = Field("failure", description="Kind of model, as `failure` (devices) or `churn` (customers).")
    cutoff: Instant | None = Field(None, description="A scored cutoff. Default: the latest.")
    horizon: HorizonText | None = Field(None, description="Default: the usual horizon of the kind.")
    top: int = Field(USUAL_TOP, ge=1, le=MOST_LISTED, strict=True, description="Length of the list.")

    model_config = ConfigDict(json_schema_extra={"examples": [{"kind": "failure", "horizon": "7d", "top": 20}]})


class RiskListRow(BaseModel):
    """One device or customer of a list."""

    rank: int = Field(ge=1)
    device_id: str = Field(description="Empty in a list of customers.")
    device_model: str = Field(description="Empty in a list of customers.")
    customer_id: str = Field(description="Empty if the device has no known customer.")
    component: str = Field(description="The component most likely to fail; empty in a list of customers.")
    probability: float | None = Field(
        description="That the device fails (the customer leaves) within the horizon; null where the kind gives none."
    )
    component_probability: float | None = Field(description="Probability that this component fails.")
    horizon: str = Field(description="Empty where the kind has none.")
    sentence: str = Field(description="The forecast in words.")
    drivers: list[str] = Field(description="Drivers in words, strongest first.")
    evidence: Evidence
    missing: list[str] = Field(description="Sensors without a recent value.")
    data_as_of: AwareDatetime | None
    model_version: str
    values: dict[str, Any] = Field(
        description="What forecasts of other shapes have, as `cautious` (cycles left) or `anomaly_score`."
    )


class RiskListAnswer(BaseModel):
    """A dated list that never changes, ordered by risk."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    list_id: str = Field(description="Hash of the content. The same inputs give the same list and id.")
    kind: str
    cutoff: Cutoff
    horizon: str = Field(description="Empty where the kind has none.")
    model_version: str
    data_version: int = Field(description="Version of the history that the list was made from.")
    judged: int = Field(description="Number of devices or customers judged at the cutoff.")
    order: str = Field(description="How the list is ordered, ties included.")
    next_cursor: str | None = Field(description="`cursor` of the next page; null on the last page.")
    rows: list[RiskListRow]
