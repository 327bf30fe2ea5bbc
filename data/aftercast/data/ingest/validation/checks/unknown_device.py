"""A row of a device that no devices table knows."""

from __future__ import annotations

from collections.abc import Iterator

from aftercast.data.ingest.validation.draft import Draft, Finding, unknown_ids

REASON = "unknown_device"
ORDER = 50


def check(draft: Draft) -> Iterator[Finding]:
    """Yield rows whose device was neither stored before nor came earlier in this import."""
    column = draft.table.column("device_id")
    if draft.table.name != "devices" and column is not None and column.required:
        rows = unknown_ids(draft, "device_id")
        if rows.any():
            yield Finding(REASON, rows, "device_id", "is in no devices table; import devices first")
