"""What the two open probes say."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class Health(BaseModel):
    """The process answers."""

    status: Literal["alive"] = "alive"

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "alive"}]})


class LoadedModel(BaseModel):
    """A champion the service holds, or why it holds none."""

    version: str | None = Field(description="Null while there is no champion.")
    reason: str | None = Field(None, description="Why there is none, and what to do.")
    scored_at: AwareDatetime | None = Field(None, description="Cutoff of the saved rows it answers from (UTC).")
    notice: str | None = Field(None, description="What fails although it answers: it goes on with what it has.")


class Readiness(BaseModel):
    """Whether questions about failures can be answered."""

    status: Literal["ready", "not_ready"]
    models: dict[str, LoadedModel]
    data_as_of: AwareDatetime | None = Field(description="Instant up to which the world was observed (UTC).")
    database: Literal["reachable", "away"] = Field(
        description="Whether the operational database answered at the last look; questions by id do not need it."
    )

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "status": "ready",
                    "models": {"failure": {"version": "3", "reason": None, "scored_at": "2025-08-15T00:00:00Z"}},
                    "data_as_of": "2025-08-15T00:00:00Z",
                    "database": "reachable",
                }
            ]
        }
    )
