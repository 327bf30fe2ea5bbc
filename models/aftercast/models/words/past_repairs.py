"""Repairs that followed past cases: findings, parts, hours, as they were known at a cutoff."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from aftercast.data.store import Store
from aftercast.models.hazard.forecast import PartUse
from aftercast.models.scoring.parts import count_parts
from aftercast.models.words.similar_cases import SimilarCase
from aftercast.operations.clocks import DAY_US

AFTER: Final = pd.Timedelta(days=14)  # a visit for a failure is opened by then


@dataclass(frozen=True)
class PastRepair:
    """A work order that followed a case.

    Attributes
    ----------
    outcome
        Finding; None while the work order is open.
    parts
        (sku, quantity) of the parts used.
    labour_hours
        None where not known.
    """

    work_order_id: str
    opened_at: pd.Timestamp
    kind: str
    component: str | None
    outcome: str | None
    labour_hours: float | None
    parts: tuple[tuple[str, float], ...]


def repairs_after(
    case: SimilarCase, store: Store, *, cutoff: pd.Timestamp, version: int | None = None
) -> tuple[PastRepair, ...]:
    """Work orders on the component that failed, opened from the failure on and up to 14 days after it.

    Preventive visits and inspections that found nothing are left out, and so is everything not known at the cutoff. A
    case without a failure has no repairs.
    """
    if case.component is None or case.after_days is None:
        return ()
    failed = case.cutoff + pd.Timedelta(case.after_days * DAY_US, unit="us")
    rows = store.read("repairs", version=version, known_at=cutoff, device_ids=[case.entity_id])
    rows = rows.drop_duplicates("work_order_id", keep="last")
    due = (rows["opened_at"] >= failed) & (rows["opened_at"] <= failed + AFTER)
    mended = due & (rows["component"] == case.component) & rows["kind"].isin(("corrective", "proactive"))
    used = store.read("parts_used", version=version, known_at=cutoff)
    used = used.drop_duplicates(["work_order_id", "sku"], keep="last")
    return tuple(_repair(row, used) for row in rows[mended].sort_values("opened_at").to_dict("records"))


def parts_of(repairs: Sequence[PastRepair]) -> list[PartUse]:
    """Parts of closed work orders, the most usual first.

    Examples
    --------
    >>> closed = PastRepair("W1", pd.Timestamp(0), "corrective", "pump", "replaced", 1.0, (("SKU-1", 2.0),))
    >>> parts_of([closed])
    [PartUse(sku='SKU-1', repairs=1, of=1, quantity=2.0)]
    """
    closed = [repair for repair in repairs if repair.outcome is not None or repair.parts]
    lines = pd.DataFrame([part for repair in closed for part in repair.parts], columns=["sku", "quantity"])
    return list(count_parts(lines, len(closed)))


def _repair(row: dict[Any, Any], used: pd.DataFrame) -> PastRepair:
    parts = used[used["work_order_id"] == row["work_order_id"]]
    return PastRepair(
        work_order_id=str(row["work_order_id"]),
        opened_at=row["opened_at"],
        kind=str(row["kind"]),
        component=_text(row["component"]),
        outcome=_text(row["outcome"]),
        labour_hours=None if pd.isna(row["labour_hours"]) else float(row["labour_hours"]),
        parts=tuple((str(sku), float(count)) for sku, count in zip(parts["sku"], parts["quantity"], strict=True)),
    )


def _text(value: Any) -> str | None:
    return None if pd.isna(value) else str(value)
