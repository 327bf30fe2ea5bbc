"""Which devices and customers a caller sees: those of the caller's outlets, by the newest facts in the store."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pandas as pd

from aftercast.data.workspace import Workspace
from aftercast.models.lists.outlets import in_outlets
from aftercast.operations.database.forecasts import Kind
from aftercast.serving.principals import Caller


def visible(workspace: Workspace, kind: Kind, ids: Collection[str], caller: Caller) -> set[str]:
    """Ids that the caller sees, as the store is now; a caller without outlets sees every id, also unknown ones."""
    return set(ids) if caller.outlets is None else in_outlets(workspace.store, kind, ids, caller.outlets)


def sees(caller: Caller, outlet_id: Any) -> bool:
    """Whether a caller sees the devices of an outlet, as it stands in a table; missing is no outlet."""
    return caller.sees_outlet(None if pd.isna(outlet_id) else str(outlet_id))
