"""A refusal on the wire: problem details of RFC 9457 with a hint."""

from __future__ import annotations

from pydantic import BaseModel, Field


class FieldProblem(BaseModel):
    """One field of a request that is missing or wrong."""

    location: str = Field(
        description="Where it stands; * for a field that the interface does not name, such as a sensor.",
        examples=["body.devices.0.device_id"],
    )
    message: str = Field(examples=["Field required"])


class Problem(BaseModel):
    """Why a request was refused."""

    type: str = Field(description="Names the kind of problem: stable, to be compared, not opened.")
    title: str = Field(description="The kind of problem in words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="This occurrence.")
    hint: str | None = Field(None, description="What to do about it.")
    request_id: str | None = Field(None, description="Under which the service's log has this request.")
    errors: tuple[FieldProblem, ...] | None = Field(None, description="All fields found missing or wrong.")
