"""Questions about the risk of devices and customers, and their answers."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, FailFast, Field, FiniteFloat
from pydantic_core import PydanticCustomError

from aftercast.operations.settings import MOST_DEVICES, MOST_RECORDS
from aftercast.serving.wire.common import (
    Cutoff,
    Driver,
    Evidence,
    HorizonText,
    Instant,
    ModelRef,
    RecordProblem,
    Request,
    at_most,
)

DEFAULT_DRIVERS: Final = 3
MOST_DRIVERS: Final = 20
MOST_FIELDS: Final = 1000

RecordId = Annotated[str, Field(min_length=1, max_length=200)]
Probability = Annotated[
    float | None,
    Field(
        ge=0,
        le=1,
        description="Calibrated probability that it happens after the cutoff and no later than the horizon's end."
        " Null when it cannot be judged: see `reason`.",
        examples=[0.124],
    ),
]


def _no_text(value: Any) -> Any:
    """Refuse text, which pydantic would read where it spells a number, or a word such as ``yes``."""
    if isinstance(value, str):
        raise PydanticCustomError("drivers", "Input should be a number, true or false")
    return value


Drivers = Annotated[Annotated[int, Field(ge=0, le=MOST_DRIVERS)] | bool, BeforeValidator(_no_text)]


class RiskRequest(Request):
    """What every question about risk may say."""

    horizon: HorizonText | None = Field(None, description="Default: 7d, or the model's longest if that is shorter.")
    drivers: Drivers = Field(
        DEFAULT_DRIVERS, description=f"How many drivers to name, 0 to {MOST_DRIVERS}; true is {DEFAULT_DRIVERS}."
    )
    as_of: Instant | None = Field(
        None,
        description="Judge from what was known at this instant, zone included. Default: the last scoring's cutoff.",
    )

    @property
    def top(self) -> int:
        """How many drivers are wanted."""
        if isinstance(self.drivers, bool):
            return DEFAULT_DRIVERS if self.drivers else 0
        return self.drivers


Value = bool | FiniteFloat | Annotated[str, Field(max_length=1000)] | None
SentRow = Annotated[
    dict[Annotated[str, Field(max_length=200)], Value],
    Field(
        description="A record of the table by its column names, without device_id. Times are text with a zone."
        " `available_at` says when it became known; without it the rule of the fleet spec does."
    ),
    at_most(MOST_FIELDS),
]
SentRows = Annotated[list[SentRow], FailFast(), at_most(MOST_RECORDS)]
"""The first record that is not as described ends the reading of the others."""
SENT_TABLES: Final = ("telemetry", "faults", "failures", "repairs")


def _sent(about: str) -> Any:
    """List that need not be sent; one made for each device costs less than a default that is copied for it."""
    return Field(default_factory=list, json_schema_extra={"default": []}, description=about)


class DeviceAsked(Request):
    """A device asked about, with what is not imported yet, if anything."""

    device_id: RecordId = Field(examples=["D0017"])
    facts: SentRow | None = Field(
        default=None,
        description="Standing facts (device_model, installed_at, ...) of a device that is not imported, or newer ones.",
    )
    telemetry: SentRows = _sent("event_time and sensors.")
    faults: SentRows = _sent("event_time and code.")
    failures: SentRows = _sent("event_time and component.")
    repairs: SentRows = _sent("work_order_id, opened_at, kind and so on.")

    @property
    def sends(self) -> bool:
        """Whether anything comes along."""
        return self.facts is not None or any(getattr(self, table) for table in SENT_TABLES)


class CustomerRef(Request):
    """A customer asked about."""

    customer_id: RecordId = Field(examples=["C0042"])


class FailureRiskRequest(RiskRequest):
    """Ask how likely devices are to fail."""

    devices: Annotated[
        list[DeviceAsked],
        Field(min_length=1, description="Up to serving.max_devices a call."),
        FailFast(),
        at_most(MOST_DEVICES),
    ]

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"devices": [{"device_id": "D0017"}, {"device_id": "D0404"}], "horizon": "7d", "drivers": 1},
                {
                    "devices": [
                        {
                            "device_id": "D0017",
                            "telemetry": [{"event_time": "2025-08-15T01:00:00Z", "vibration": 52.1}],
                            "faults": [{"event_time": "2025-08-15T00:40:00Z", "code": "E21"}],
                        }
                    ]
                },
            ]
        }
    )


class ChurnRiskRequest(RiskRequest):
    """Ask how likely customers are to leave."""

    customers: Annotated[
        list[CustomerRef],
        Field(min_length=1, description="Up to serving.max_devices a call."),
        FailFast(),
        at_most(MOST_DEVICES),
    ]

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"customers": [{"customer_id": "C0042"}], "horizon": "30d", "drivers": 1}]}
    )


class Interval(BaseModel):
    """Between which two probabilities the share of events among such forecasts lies, as far as a later period tells."""

    lower: Annotated[float, Field(ge=0, le=1)]
    upper: Annotated[float, Field(ge=0, le=1)]


class RemainingLife(BaseModel):
    """Days from the cutoff until the probability reaches 10, 50 and 90 %; null: not within `beyond_days`."""

    lower_days: float | None
    median_days: float | None
    upper_days: float | None
    beyond_days: float = Field(description="The model's longest horizon.")


class NextStep(BaseModel):
    """What to do about it."""

    code: Literal["visit", "contact", "reconnect", "decide", "wait"] = Field(
        description="visit, contact: the probability reaches the model's threshold; reconnect: inputs are missing;"
        " decide: no threshold could be learnt; wait: nothing yet."
    )
    text: str


class Part(BaseModel):
    """A part that repairs of the component used, on devices of this model where there were enough."""

    sku: str
    repairs: int = Field(description="Repairs that used it,")
    of: int = Field(description="among so many.")
    quantity: float = Field(description="How many at a time, in the middle.")


class RefusedRecord(BaseModel):
    """A record of the call that was not read, or one cell of it."""

    table: str
    row: int = Field(description="Its position in the call, from 0.")
    reason: str = Field(description="Stable, made for machines.", examples=["impossible_value"])
    column: str = Field(description="Empty where it is none of the contract's.")
    cell_only: bool = Field(description="Whether the rest of the record was read.")


class Risk(BaseModel):
    """What every answer about risk says."""

    status: Literal["answered"] = "answered"
    sentence: str = Field(description="The answer in words.")
    probability: Probability
    interval: Interval | None = Field(
        description="Interval of the probability; null between the model's horizons and where too little is known."
    )
    remaining_life: RemainingLife | None = Field(description="By the same probabilities; null without one.")
    reason: str | None = Field(None, description="Why there is no probability; null when there is one.")
    horizon: HorizonText
    until: AwareDatetime = Field(description="End of the horizon (UTC): by when.")
    next_step: NextStep | None = Field(description="Null without a probability.")
    drivers: list[Driver] = Field(description="Strongest first.")
    evidence: Evidence | None = Field(
        description="What the answer rests on: fresh telemetry, the record's own history, or devices like it."
    )
    missing_inputs: list[str] = Field(description="Inputs that had no value; none of them was read as zero.")
    out_of_range_inputs: list[str] = Field(
        description="Inputs that sent impossible values lately; those values were not read."
    )
    data_as_of: AwareDatetime | None = Field(
        description="When the newest fact used became known (UTC); null where there was none."
    )
    cutoff: Cutoff
    model: ModelRef


class FailureRisk(Risk):
    """The risk of one device."""

    device_id: str
    component: str | None = Field(description="The component most likely to fail; null without a probability.")
    components: dict[str, Probability] = Field(description="Probability for each component within the horizon.")
    parts: list[Part] = Field(description="What repairs of the component used, the most usual first.")
    refused_records: list[RefusedRecord] = Field(
        default=[], description="Records of the call that were not read; the answer was made without them."
    )


class ChurnRisk(Risk):
    """The risk of one customer."""

    customer_id: str


class DeviceUnanswered(BaseModel):
    """A device that has no answer."""

    status: Literal["error"] = "error"
    device_id: str
    error: RecordProblem


class CustomerUnanswered(BaseModel):
    """A customer that has no answer."""

    status: Literal["error"] = "error"
    customer_id: str
    error: RecordProblem


class RiskAnswer(BaseModel):
    """What is common to all records of an answer."""

    horizon: HorizonText
    cutoff: Annotated[
        AwareDatetime,
        Field(description="UTC instant of the last scoring, or as_of; a device renewed since names its own."),
    ]
    answered: int = Field(description="Records that have an answer.", examples=[1])
    failed: int = Field(description="Records that have an error.", examples=[1])
    model: ModelRef


_MODEL: Final[dict[str, Any]] = {"name": "failure", "version": "3", "run_id": "8c0e3f2a9b7d4c61a5e0f1d2c3b4a596"}
_CUTOFF: Final = "2025-08-15T00:00:00Z"
_FAILURE: Final[dict[str, Any]] = {
    "status": "answered",
    "device_id": "D0017",
    "sentence": "13.1 % likelihood of a failure within 7 days, most likely of the compressor (12.4 %)",
    "probability": 0.131,
    "interval": {"lower": 0.094, "upper": 0.176},
    "remaining_life": {"lower_days": 5.1, "median_days": None, "upper_days": None, "beyond_days": 30.0},
    "reason": None,
    "horizon": "7d",
    "until": "2025-08-22T00:00:00Z",
    "next_step": {
        "code": "visit",
        "text": "Visit before 2025-08-22 00:00 UTC and check the compressor; bring CMP-7 (used in 14 of 16 repairs).",
    },
    "component": "compressor",
    "components": {"compressor": 0.124, "pump": 0.008},
    "parts": [{"sku": "CMP-7", "repairs": 14, "of": 16, "quantity": 1.0}],
    "refused_records": [],
    "drivers": [
        {
            "feature": "vibration_mean_24h",
            "value": 52.1,
            "unit": "mm/s",
            "about": "mean vibration over the last 24 h",
            "contribution": 0.84,
            "text": "mean vibration 24 h 52.1 mm/s (usual for this model 40.3)",
        }
    ],
    "evidence": "telemetry",
    "missing_inputs": [],
    "out_of_range_inputs": [],
    "data_as_of": "2025-08-14T23:00:00Z",
    "cutoff": _CUTOFF,
    "model": _MODEL,
}
_OF_DEVICES: Final = {"device_id", "component", "components", "parts", "refused_records"}
_CHURN: Final[dict[str, Any]] = {
    **{key: value for key, value in _FAILURE.items() if key not in _OF_DEVICES},
    "customer_id": "C0042",
    "sentence": "4.2 % likelihood that the customer leaves within 30 days",
    "probability": 0.042,
    "interval": {"lower": 0.031, "upper": 0.058},
    "remaining_life": {"lower_days": 64.0, "median_days": None, "upper_days": None, "beyond_days": 90.0},
    "horizon": "30d",
    "until": "2025-09-14T00:00:00Z",
    "next_step": {"code": "wait", "text": "No call is due by 2025-09-14 00:00 UTC; ask again after the next scoring."},
    "drivers": [],
    "evidence": "history",
    "model": {**_MODEL, "name": "churn"},
}


def _whole(results: list[dict[str, Any]], failed: int) -> dict[str, Any]:
    first = results[0]
    common = {name: first[name] for name in ("horizon", "cutoff", "model")}
    return {**common, "answered": len(results) - failed, "failed": failed, "results": results}


class FailureRiskAnswer(RiskAnswer):
    """One result per device asked about, in the order asked."""

    results: list[Annotated[FailureRisk | DeviceUnanswered, Field(discriminator="status")]]

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                _whole(
                    [
                        _FAILURE,
                        {
                            "status": "error",
                            "device_id": "D0404",
                            "error": {
                                "code": "unknown_device",
                                "message": "The device is not known.",
                                "hint": "Import it, or correct the id.",
                            },
                        },
                    ],
                    failed=1,
                )
            ]
        }
    )


class ChurnRiskAnswer(RiskAnswer):
    """One result per customer asked about, in the order asked."""

    results: list[Annotated[ChurnRisk | CustomerUnanswered, Field(discriminator="status")]]

    model_config = ConfigDict(json_schema_extra={"examples": [_whole([_CHURN], failed=0)]})
