"""Parts that repairs of a component used, for each device model: what to bring, as known at a cutoff."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pandas as pd

from aftercast.data.store import Store
from aftercast.models.hazard.forecast import PartUse

ALL_MODELS: Final = ""
ENOUGH_REPAIRS: Final = 5
"""So many repairs of a device model speak for themselves; with fewer, those of all models do."""
MOST_PARTS: Final = 5
_MENDING: Final = ("corrective", "proactive")


@dataclass(frozen=True)
class UsualParts:
    """Parts by component and device model.

    Attributes
    ----------
    found
        ``(component, device_model)`` -> parts, the most usual first; the model ``""`` stands for all models.
    """

    found: Mapping[tuple[str, str], tuple[PartUse, ...]] = field(default_factory=dict)

    def of(self, component: str, device_model: str) -> tuple[PartUse, ...]:
        """Parts that repairs of the component used, on devices of the model where there were enough of them."""
        own = self.found.get((component, device_model))
        return self.found.get((component, ALL_MODELS), ()) if own is None else own

    def to_list(self) -> list[Any]:
        """Values for JSON."""
        return [
            [component, model, [[part.sku, part.repairs, part.of, part.quantity] for part in parts]]
            for (component, model), parts in self.found.items()
        ]

    @classmethod
    def from_list(cls, values: Sequence[Any]) -> UsualParts:
        """Read what :meth:`to_list` gave."""
        return cls({(component, model): tuple(PartUse(*part) for part in parts) for component, model, parts in values})


def usual_parts(store: Store, *, version: int | None, cutoff: pd.Timestamp) -> UsualParts:
    """Parts of the mending work orders known at a cutoff (UTC, closed end).

    Work orders count that named a component, were corrective or proactive, did not end with no fault found, and are
    closed or have parts on them.
    """
    used = store.read("parts_used", version=version, known_at=cutoff)
    used = used.drop_duplicates(["work_order_id", "sku"], keep="last")
    repairs = _mending(store, version, cutoff, set(used["work_order_id"]))
    lines = used.merge(repairs, on="work_order_id")
    found: dict[tuple[str, str], tuple[PartUse, ...]] = {}
    for component, of_component in repairs.groupby("component"):
        parts = lines[lines["component"] == component]
        found[str(component), ALL_MODELS] = count_parts(parts, len(of_component))
        for model, of_model in of_component.groupby("device_model"):
            if len(of_model) >= ENOUGH_REPAIRS:
                found[str(component), str(model)] = count_parts(parts[parts["device_model"] == model], len(of_model))
    return UsualParts(found)


def count_parts(lines: pd.DataFrame, repairs: int) -> tuple[PartUse, ...]:
    """Parts on lines (``sku``, ``quantity``; one line for each part of a work order), the most usual first.

    Parameters
    ----------
    repairs
        How many work orders the lines are of, those without any part included.
    """
    found = [
        PartUse(str(sku), len(each), repairs, float(each["quantity"].median())) for sku, each in lines.groupby("sku")
    ]
    return tuple(sorted(found, key=lambda part: (-part.repairs, part.sku))[:MOST_PARTS])


def _mending(store: Store, version: int | None, cutoff: pd.Timestamp, with_parts: set[str]) -> pd.DataFrame:
    """Work orders that count: work_order_id, component, device_model."""
    rows = store.read("repairs", version=version, known_at=cutoff).drop_duplicates("work_order_id", keep="last")
    done = rows["closed_at"].notna() | rows["work_order_id"].isin(with_parts)
    mended = rows["kind"].isin(_MENDING) & (rows["outcome"] != "no_fault_found") & rows["component"].notna() & done
    devices = store.read("devices", version=version, known_at=cutoff, columns=["device_id", "device_model"])
    models = devices.drop_duplicates("device_id", keep="last")
    return rows.loc[mended, ["work_order_id", "component", "device_id"]].merge(models, on="device_id")
