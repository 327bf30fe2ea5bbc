"""Records sent to be stored, and what became of them."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from aftercast.serving.wire.common import Request
from aftercast.serving.wire.risk import RefusedRecord, SentRows

TableName = Literal[
    "devices",
    "telemetry",
    "faults",
    "failures",
    "repairs",
    "parts_used",
    "customers",
    "purchases",
    "contacts",
    "stock",
    "capacity",
    "actions",
]
_EXAMPLE: Final[dict[str, Any]] = {
    "table": "telemetry",
    "records": [{"device_id": "D0017", "event_time": "2025-08-15T01:00:00Z", "vibration": 52.1}],
}


class RecordsRequest(Request):
    """Records of one table, as its columns name them."""

    table: TableName
    records: Annotated[SentRows, Field(min_length=1, description="Up to serving.max_records a call.")]

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})


class RecordsAnswer(BaseModel):
    """What was taken: it survives any crash, and the next drain stores it."""

    batch_id: str
    table: TableName
    received_at: AwareDatetime = Field(
        description="When it was taken (UTC); records without available_at became known then."
    )
    received: int = Field(description="Records taken, those found wrong included.")
    wrong: list[RefusedRecord] = Field(
        description="What was found wrong on arrival: the drain puts it into quarantine with this reason, unless what"
        " it lacks (a device it names) has come by then."
    )
    repeated: bool = Field(description="The same Idempotency-Key brought the same records before; nothing was added.")

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "batch_id": "7c1d0b52e8f34a06b2b7d8d7c4f1c2aa",
                    "table": "telemetry",
                    "received_at": "2025-08-15T01:00:07Z",
                    "received": 1,
                    "wrong": [],
                    "repeated": False,
                }
            ]
        }
    )
