"""Questions about forecasts that are no probabilities, and their answers, on the wire."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, FailFast, Field

from aftercast.operations.settings import MOST_DEVICES
from aftercast.serving.wire.common import Cutoff, Request, ResultProblem, at_most
from aftercast.serving.wire.questions import EntityId

_ANSWER: Final[dict[str, Any]] = {
    "cutoff": "2025-08-15T00:00:00Z",
    "answered": 1,
    "failed": 1,
    "model": {"name": "remaining-life", "version": "2"},
    "results": [
        {
            "status": "answered",
            "id": "D0017",
            "sentence": "35 cycles left, cautiously 30",
            "reason": None,
            "reasons": [],
            "values": {"expected": 35.0, "cautious": 30.0, "lower": 22.0, "upper": 51.0},
            "data_as_of": "2025-08-14T23:00:00Z",
        },
        {
            "status": "error",
            "id": "D0404",
            "error": {
                "code": "unknown_device",
                "message": "There is no forecast of this device.",
                "hint": "Correct the id, or ask again after the next scoring.",
            },
        },
    ],
}


class ForecastRequest(Request):
    """Asks for the latest forecasts of devices or customers."""

    ids: Annotated[
        list[EntityId],
        Field(min_length=1, description="Ids of devices or customers, at most `serving.max_devices`."),
        FailFast(),
        at_most(MOST_DEVICES),
    ]

    model_config = ConfigDict(json_schema_extra={"examples": [{"ids": ["D0017", "D0404"]}]})


class ForecastResult(BaseModel):
    """The latest forecast of one device or customer."""

    status: Literal["answered"] = "answered"
    id: str
    sentence: str = Field(description="The forecast in words.", examples=["35 cycles left, cautiously 30"])
    reason: str | None = Field(description="Why there is no forecast; null if there is one.")
    reasons: list[str] = Field(description="What speaks for it, and notices, strongest first.")
    values: dict[str, Any] = Field(description="Values of the forecast by name, as `expected` or `anomaly_score`.")
    data_as_of: AwareDatetime | None = Field(description="When the newest fact used became known (UTC).")


class ForecastProblem(BaseModel):
    """Why there is no forecast of an id."""

    status: Literal["error"] = "error"
    id: str
    error: ResultProblem


class ForecastModel(BaseModel):
    """The model that made the forecasts."""

    name: str = Field(examples=["remaining-life"])
    version: str = Field(examples=["2"])


class ForecastAnswer(BaseModel):
    """The latest forecasts, in the order asked."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ANSWER]})

    cutoff: Cutoff
    answered: int = Field(description="Number of results with status `answered`.")
    failed: int = Field(description="Number of results with status `error`.")
    model: ForecastModel
    results: list[Annotated[ForecastResult | ForecastProblem, Field(discriminator="status")]]
