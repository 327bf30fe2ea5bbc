"""Pieces that several answers share."""

from __future__ import annotations

import math
import re
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
)
from pydantic_core import PydanticCustomError

DURATION: Final = (
    r"^ *([0-9]*[1-9][0-9]*(\.[0-9]{1,3})?|[0-9]+\.([1-9][0-9]{0,2}|0[1-9][0-9]?|00[1-9])) *(s|min|m|h|d|w) *$"
)
HorizonText = Annotated[
    str,
    Field(
        description="Time after the cutoff: a number and m, h, d or w, at most the model's longest horizon.",
        examples=["7d", "36h"],
        max_length=20,
        pattern=DURATION,
    ),
]
Evidence = Literal["telemetry", "history", "cohort"]
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _written_out(value: Any) -> Any:
    """Refuse numbers, which pydantic would read as seconds since 1970, or as milliseconds where they are large."""
    if isinstance(value, datetime) or (isinstance(value, str) and _DATE.match(value)):
        return value
    raise PydanticCustomError("instant", "Input should be a date and time with its zone, as in 2026-01-31T06:00:00Z")


Instant = Annotated[AwareDatetime, BeforeValidator(_written_out)]
"""An instant that a caller names: text with a zone."""
Cutoff = Annotated[
    AwareDatetime,
    Field(
        description="Instant of the forecast (UTC). Only facts known by then were used.",
        examples=["2025-08-15T00:00:00Z"],
    ),
]


MOST_ERRORS: Final = 100


def few_errors(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    """Validate; of more than :data:`MOST_ERRORS` errors only the number is reported, since each takes time to word."""
    try:
        return validate(value)
    except ValidationError as error:
        if error.error_count() <= MOST_ERRORS:
            raise
        told = {"count": error.error_count()}
        raise PydanticCustomError("too_many_errors", "{count} places are wrong, too many to name", told) from None


def at_most(most: int) -> BeforeValidator:
    """Refuse a list or object that is longer before anything in it is looked at."""

    def check(value: Any) -> Any:
        if isinstance(value, list | dict) and len(value) > most:
            raise PydanticCustomError("too_long", "Should have at most {most} items", {"most": most})
        return value

    return BeforeValidator(check)


class Request(BaseModel):
    """A body; unknown fields are refused, so that a misspelt one is not silently ignored."""

    model_config = ConfigDict(extra="forbid")


class ModelRef(BaseModel):
    """The model that answered."""

    name: str = Field(examples=["failure"])
    version: str = Field(examples=["3"])
    run_id: str = Field(description="MLflow run that trained the model.", examples=["8c0e3f2a9b7d4c61a5e0f1d2c3b4a596"])


class Driver(BaseModel):
    """A feature that moved the risk."""

    feature: str = Field(examples=["vibration_mean_24h"])
    value: float | str | None = Field(description="Value of the feature; null if missing.", examples=[52.1])
    unit: str = Field(description="Unit of the value; empty without one.", examples=["mm/s"])
    about: str = Field(description="What the feature measures.", examples=["mean vibration over the last 24 h"])
    contribution: float | None = Field(
        description="Change of the log-odds of the risk; above 0 raises it.", examples=[0.84]
    )
    text: str = Field(
        description="The driver in words.", examples=["mean vibration 24 h 52.1 mm/s (usual for this model 40.3)"]
    )


class ResultProblem(BaseModel):
    """Why one device or customer of a request has no answer."""

    code: str = Field(description="Stable code for machines.", examples=["unknown_device"])
    message: str = Field(examples=["The device is not known."])
    hint: str = Field(examples=["Import it, or correct the id."])


def finite(value: float | None) -> float | None:
    """Return the number, None where it is missing or infinite: JSON has no such numbers. Zero stays zero."""
    return float(value) if value is not None and math.isfinite(value) else None
