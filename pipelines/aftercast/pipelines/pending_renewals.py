"""Whom the online rows have still to be renewed for; kept in a file from before their records count as drained.

A drain that is killed after it stored records leaves the file, and the next one renews them too.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pandas as pd

from aftercast.data.workspace import Workspace
from aftercast.features.customer_history import CUSTOMER_TABLES, SERVICE_TABLES
from aftercast.operations.clocks import AHEAD, EARLIEST, parse_time
from aftercast.operations.database.inbox import InboxBatch

FILE: Final = "to-renew.json"


@dataclass
class ToRenew:
    """Whom records are about.

    Attributes
    ----------
    served
        Devices whose service their owners' features read.
    known_at
        When the newest record became known (UTC).
    """

    devices: set[str] = field(default_factory=set)
    served: set[str] = field(default_factory=set)
    customers: set[str] = field(default_factory=set)
    known_at: pd.Timestamp = EARLIEST

    def add(self, batches: Sequence[InboxBatch]) -> None:
        """Note whom batches are about."""
        for batch in batches:
            self.known_at = max(self.known_at, _newest(batch))
            devices, customers = (
                {str(row[name]) for row in batch.records if row.get(name) is not None}
                for name in ("device_id", "customer_id")
            )
            self.devices.update(devices)
            if batch.table in SERVICE_TABLES:
                self.served.update(devices)
            if batch.table in CUSTOMER_TABLES:
                self.customers.update(customers)


def load_to_renew(workspace: Workspace) -> ToRenew:
    """Whom the drains before left; nobody where they came to their end, or the file is none of ours."""
    try:
        content: dict[str, Any] = json.loads(_path(workspace).read_text(encoding="utf-8"))
        names = ("devices", "served", "customers")
        found = {name: {str(each) for each in content[name]} for name in names}
        return ToRenew(**found, known_at=parse_time(content["known_at"]))
    except (OSError, ValueError, KeyError, TypeError):
        return ToRenew()


def save_to_renew(workspace: Workspace, found: ToRenew) -> None:
    """Write down whom to renew, whole or not at all."""
    path = _path(workspace)
    path.parent.mkdir(parents=True, exist_ok=True)
    names = ("devices", "served", "customers")
    content = {**{name: sorted(getattr(found, name)) for name in names}, "known_at": found.known_at.isoformat()}
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(content), encoding="utf-8")
    temporary.replace(path)


def forget_to_renew(workspace: Workspace) -> None:
    """All were renewed."""
    _path(workspace).unlink(missing_ok=True)


def _path(workspace: Workspace) -> Path:
    return workspace.path("online", FILE)


def _newest(batch: InboxBatch) -> pd.Timestamp:
    """When the newest record of a batch became known; one that says it will be is left to the import to refuse."""
    said = pd.Series([row.get("available_at") for row in batch.records], dtype="object")
    known = pd.to_datetime(said, utc=True, format="ISO8601", errors="coerce")
    return max(known[known <= batch.received_at + AHEAD], default=EARLIEST)
