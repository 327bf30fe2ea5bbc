"""Which devices and customers some outlets look after, by the newest facts in the store."""

from __future__ import annotations

from collections.abc import Collection

from aftercast.data.store import Store
from aftercast.models.kinds import kind_of


def in_outlets(store: Store, kind: str, ids: Collection[str], outlets: Collection[str]) -> set[str]:
    """Ids of devices in these outlets, or of customers who have such a device.

    The store is asked each time, so that a device that moved to another outlet is gone from the old one at once.
    """
    devices = list(ids)
    if kind_of(kind).grain == "customer_id":  # all devices they ever had: where each is now, its newest facts say
        devices = sorted(set(store.read("devices", columns=["device_id"], customer_ids=list(ids))["device_id"]))
    facts = store.read("devices", columns=["device_id", "customer_id", "outlet_id"], device_ids=devices)
    newest = facts.drop_duplicates("device_id", keep="last")
    theirs = newest.loc[newest["outlet_id"].isin(list(outlets)), kind_of(kind).grain]
    return set(theirs.dropna()) & set(ids)
