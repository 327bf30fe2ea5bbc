"""Answers about the risk of devices and customers, on the wire."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from aftercast.serving.wire.common import Cutoff, Driver, Evidence, HorizonText, ModelRef, ResultProblem
from aftercast.serving.wire.examples import CHURN_ANSWER, FAILURE_ANSWER

Probability = Annotated[
    float | None,
    Field(
        ge=0,
        le=1,
        description="Calibrated probability that it happens between `cutoff` and `until`. Null if it cannot be"
        " judged; `reason` says why.",
        examples=[0.124],
    ),
]


class Interval(BaseModel):
    """90 % interval of the probability, estimated on the calibration period."""

    lower: Annotated[float, Field(ge=0, le=1)]
    upper: Annotated[float, Field(ge=0, le=1)]


class RemainingLife(BaseModel):
    """Days from the cutoff until the probability reaches 10, 50 and 90 %. Null: not within `beyond_days`."""

    lower_days: float | None = Field(description="The probability reaches 10 %.")
    median_days: float | None = Field(description="The probability reaches 50 %.")
    upper_days: float | None = Field(description="The probability reaches 90 %.")
    beyond_days: float = Field(description="The model's longest horizon.")


class NextStep(BaseModel):
    """What to do about the risk."""

    code: Literal["visit", "contact", "reconnect", "decide", "wait"] = Field(
        description="visit, contact: the probability reaches the model's threshold. reconnect: inputs are missing."
        " decide: the model has no threshold. wait: nothing to do yet."
    )
    text: str = Field(description="The step in words.")


class Part(BaseModel):
    """A part that earlier repairs of the component used."""

    sku: str = Field(description="Part number.")
    repairs: int = Field(description="Number of repairs that used the part.")
    of: int = Field(description="Number of repairs of the component.")
    quantity: float = Field(description="Median quantity used in a repair.")


class RefusedRecord(BaseModel):
    """A record of the call, or one cell of it, that was not read."""

    table: str = Field(examples=["telemetry"])
    row: int = Field(description="Position of the record in the call, from 0.")
    reason: str = Field(description="Stable code for machines.", examples=["impossible_value"])
    column: str = Field(description="Column of the cell; empty if the whole record is meant or the name is unusual.")
    cell_only: bool = Field(description="True: only this cell was not read. False: the record was not read.")


class Risk(BaseModel):
    """A risk, or the reason why it cannot be judged."""

    status: Literal["answered"] = "answered"
    sentence: str = Field(description="The answer in words.")
    probability: Probability
    interval: Interval | None = Field(
        description="Null for a horizon that the model was not trained for, or if the calibration period is too short."
    )
    remaining_life: RemainingLife | None = Field(description="Null without a probability.")
    reason: str | None = Field(None, description="Why there is no probability; null if there is one.")
    horizon: HorizonText
    until: AwareDatetime = Field(description="End of the horizon (UTC).")
    next_step: NextStep | None = Field(description="Null without a probability.")
    drivers: list[Driver] = Field(description="Features that moved the risk most, strongest first.")
    evidence: Evidence | None = Field(
        description="telemetry: recent readings. history: own events, no recent readings. cohort: only similar ones."
    )
    missing_inputs: list[str] = Field(description="Sensors without a recent value; none was read as zero.")
    out_of_range_inputs: list[str] = Field(
        description="Sensors that sent impossible values recently; those values were not read."
    )
    data_as_of: AwareDatetime | None = Field(
        description="When the newest fact used became known (UTC); null without any fact."
    )
    cutoff: Cutoff
    model: ModelRef


class DeviceRisk(Risk):
    """The risk that one device fails."""

    device_id: str
    component: str | None = Field(description="The component most likely to fail; null without a probability.")
    components: dict[str, Probability] = Field(description="Probability that each component fails within the horizon.")
    parts: list[Part] = Field(description="Parts that repairs of the component used, most frequent first.")
    refused_records: list[RefusedRecord] = Field(
        default=[], description="Records of the call that were not read. The answer was made without them."
    )


class CustomerRisk(Risk):
    """The risk that one customer leaves."""

    customer_id: str


class DeviceUnanswered(BaseModel):
    """A device without an answer."""

    status: Literal["error"] = "error"
    device_id: str
    error: ResultProblem


class CustomerUnanswered(BaseModel):
    """A customer without an answer."""

    status: Literal["error"] = "error"
    customer_id: str
    error: ResultProblem


class RiskAnswer(BaseModel):
    """What all results of an answer have in common."""

    horizon: HorizonText
    cutoff: Annotated[
        AwareDatetime,
        Field(description="Cutoff (UTC) of the last scoring. A result with newer data has a later cutoff of its own."),
    ]
    answered: int = Field(description="Number of results with status `answered`.", examples=[1])
    failed: int = Field(description="Number of results with status `error`.", examples=[1])
    model: ModelRef


class DeviceRiskAnswer(RiskAnswer):
    """One result per device, in the order asked."""

    results: list[Annotated[DeviceRisk | DeviceUnanswered, Field(discriminator="status")]]

    model_config = ConfigDict(json_schema_extra={"examples": [FAILURE_ANSWER]})


class CustomerRiskAnswer(RiskAnswer):
    """One result per customer, in the order asked."""

    results: list[Annotated[CustomerRisk | CustomerUnanswered, Field(discriminator="status")]]

    model_config = ConfigDict(json_schema_extra={"examples": [CHURN_ANSWER]})
