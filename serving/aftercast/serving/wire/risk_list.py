"""The risk list on the wire."""

from __future__ import annotations

from typing import Any, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from aftercast.serving.wire.common import Cutoff, Evidence, HorizonText

_EXAMPLE: Final[dict[str, Any]] = {
    "list_id": "5d1f0a9be77c4e21",
    "cutoff": "2025-08-15T00:00:00Z",
    "horizon": "7d",
    "model_version": "3",
    "data_version": 1,
    "judged": 500,
    "order": "probability, highest first; equal probabilities by device_id, ascending",
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
        }
    ],
}


class RiskListRow(BaseModel):
    """One device of a list."""

    rank: int = Field(ge=1)
    device_id: str
    device_model: str
    customer_id: str = Field(description="Empty where none is known.")
    component: str = Field(description="The component most likely to fail.")
    probability: float | None = Field(description="That any component fails within the horizon.")
    component_probability: float | None = Field(description="That this component does.")
    horizon: HorizonText
    sentence: str
    drivers: list[str] = Field(description="For people, strongest first.")
    evidence: Evidence
    missing: list[str] = Field(description="Inputs that had no value.")
    data_as_of: AwareDatetime | None
    model_version: str


class RiskListAnswer(BaseModel):
    """An immutable, dated order of devices by risk."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    list_id: str = Field(description="From the content: the same inputs make the same list and id.")
    cutoff: Cutoff
    horizon: HorizonText
    model_version: str
    data_version: int = Field(description="Version of the history it was made from.")
    judged: int = Field(description="Devices judged at the cutoff; the list holds the first of them.")
    order: str = Field(description="The rule that orders them, ties included.")
    rows: list[RiskListRow]
