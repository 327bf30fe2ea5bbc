"""What is known of one device, on the wire."""

from __future__ import annotations

from typing import Any, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from aftercast.serving.wire.examples import FAILURE
from aftercast.serving.wire.risk import DeviceRisk, Probability

Fact = bool | float | str | None

_EXAMPLE: Final[dict[str, Any]] = {
    "device_id": "D0017",
    "facts": {
        "device_model": "fridge-b",
        "installed_at": "2023-02-01T00:00:00Z",
        "retired_at": None,
        "customer_id": "C0042",
    },
    "known_since": "2023-02-01T00:00:00Z",
    "history": {"telemetry": 4711, "faults": 12, "failures": 1, "repairs": 2},
    "risk": {
        **FAILURE,
        "horizons": [{"horizon": "7d", "probability": 0.131, "components": {"compressor": 0.124, "pump": 0.008}}],
    },
    "risk_unavailable": None,
}


class HorizonRisk(BaseModel):
    """Risk within one of the model's horizons."""

    horizon: str
    probability: Probability
    components: dict[str, Probability]


class RiskByHorizon(DeviceRisk):
    """The latest risk of a device: at the usual horizon, and at each horizon of the model."""

    horizons: list[HorizonRisk] = Field(description="Shortest first; empty without a probability.")


class DeviceAnswer(BaseModel):
    """One device: its newest facts, the size of its history, and its latest risk."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    device_id: str
    facts: dict[str, Fact] = Field(description="Newest value of each column of the devices table.")
    known_since: AwareDatetime = Field(description="When these facts became known (UTC).")
    history: dict[str, int] = Field(description="Number of rows stored in each table, corrections included.")
    risk: RiskByHorizon | None
    risk_unavailable: str | None = Field(description="Why `risk` is null; null if there is a risk.")
