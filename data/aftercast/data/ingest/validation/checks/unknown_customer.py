"""A row of a customer that no customers table knows."""

from __future__ import annotations

from collections.abc import Iterator

from aftercast.data.ingest.validation.draft import Draft, Finding, unknown_ids

REASON = "unknown_customer"
ORDER = 51


def check(draft: Draft) -> Iterator[Finding]:
    """Yield rows whose customer was neither stored before nor came earlier in this import."""
    column = draft.table.column("customer_id")
    if draft.table.name != "customers" and column is not None and column.required:
        rows = unknown_ids(draft, "customer_id")
        if rows.any():
            yield Finding(REASON, rows, "customer_id", "is in no customers table; import customers first")
