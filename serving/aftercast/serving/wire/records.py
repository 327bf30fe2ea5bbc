"""Records that come in to be stored, and what became of them."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from aftercast.serving.wire.common import Request
from aftercast.serving.wire.questions import SentRows
from aftercast.serving.wire.risk import RefusedRecord

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
_REQUEST: Final[dict[str, Any]] = {
    "table": "telemetry",
    "records": [{"device_id": "D0017", "event_time": "2025-08-15T01:00:00Z", "vibration": 52.1}],
}
_ANSWER: Final[dict[str, Any]] = {
    "batch_id": "7c1d0b52e8f34a06b2b7d8d7c4f1c2aa",
    "table": "telemetry",
    "received_at": "2025-08-15T01:00:07Z",
    "received": 1,
    "wrong": [],
}


class RecordsRequest(Request):
    """Records of one table, written with the table's column names."""

    table: TableName
    records: Annotated[SentRows, Field(min_length=1, description="At most `serving.max_records`.")]

    model_config = ConfigDict(json_schema_extra={"examples": [_REQUEST]})


class RecordsBatch(BaseModel):
    """Records that were taken."""

    batch_id: str = Field(description="Ask for its state with GET /v1/records/{batch_id}.")
    table: TableName
    received_at: AwareDatetime = Field(
        description="When the records were taken (UTC). Records without `available_at` became known then."
    )
    received: int = Field(description="Number of records taken, including those found wrong.")
    wrong: list[RefusedRecord] = Field(
        description="Errors found on arrival. The drain puts these records into quarantine with the same reason,"
        " unless the device or customer they name is known by then."
    )


class RecordsAnswer(RecordsBatch):
    """The records are safe: no crash loses them, and the next drain stores them."""

    repeated: bool = Field(description="True: an earlier request with this Idempotency-Key brought these records.")

    model_config = ConfigDict(json_schema_extra={"examples": [{**_ANSWER, "repeated": False}]})


class BatchState(RecordsBatch):
    """Records that were taken, and what became of them."""

    state: Literal["waiting", "stored", "refused"] = Field(
        description="waiting: for the next drain. stored: the drain has stored the records, those in error in"
        " quarantine. refused: the drain could not read the batch."
    )
    drained_at: AwareDatetime | None = Field(description="When the drain stored or refused it (UTC).")

    model_config = ConfigDict(
        json_schema_extra={"examples": [{**_ANSWER, "state": "stored", "drained_at": "2025-08-15T01:01:00Z"}]}
    )
