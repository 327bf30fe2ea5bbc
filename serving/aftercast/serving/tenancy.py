"""Which devices and customers a caller sees: those of the caller's outlets, by the newest facts in the store."""

from __future__ import annotations

from collections.abc import Collection

from aftercast.data.workspace import Workspace
from aftercast.models.lists.outlets import in_outlets
from aftercast.serving.principals import Caller


def visible(workspace: Workspace, kind: str, ids: Collection[str], caller: Caller) -> set[str]:
    """Ids that the caller sees, as the store is now; a caller without outlets sees every id, also unknown ones."""
    return set(ids) if caller.outlets is None else in_outlets(workspace.store, kind, ids, caller.outlets)
