"""What is said of devices and customers without a feature row: unknown, not scored yet, or not at risk."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from aftercast.data.workspace import Workspace
from aftercast.models.kinds import hazard_kind
from aftercast.models.scoring.snapshot import Snapshot, gone_since, why_not
from aftercast.models.words.answers import Answer, not_judged


@dataclass(frozen=True)
class Unanswered:
    """Why a device or customer has no answer: a stable code, and words."""

    entity_id: str
    code: str
    message: str
    hint: str


def unknown(kind: str, entity_id: str) -> Unanswered:
    """Error of an id that is not known, or not to the caller."""
    noun = hazard_kind(kind).entity.noun
    return Unanswered(entity_id, f"unknown_{noun}", f"The {noun} is not known.", "Import it, or correct the id.")


def without_row(
    workspace: Workspace, snapshot: Snapshot, ids: Collection[str], horizon: str
) -> dict[str, Answer | Unanswered]:
    """Say why these ids have no row.

    Whoever retired or left since the last scoring lost their row by the drain.
    """
    now = _known(workspace, snapshot.kind, ids)
    then = _known(workspace, snapshot.kind, ids, version=snapshot.data_version, known_at=snapshot.cutoff)
    gone = gone_since(workspace.store, snapshot, ids)
    found: dict[str, Answer | Unanswered] = {}
    for each in ids:
        if each in then or each in gone:
            cutoff = max(snapshot.cutoff, gone.get(each, snapshot.cutoff))
            reason = why_not(workspace.store, snapshot.kind, each, cutoff)
            found[each] = not_judged(snapshot.kind, each, cutoff, horizon, reason)
        elif each in now:
            message = f"The {hazard_kind(snapshot.kind).entity.noun} became known after the last scoring."
            found[each] = Unanswered(each, "not_scored", message, "Ask again after the next scoring.")
        else:
            found[each] = unknown(snapshot.kind, each)
    return found


def _known(workspace: Workspace, kind: str, ids: Collection[str], **at: Any) -> set[str]:
    """Ids that the store holds; with ``version`` and ``known_at`` those that it held then."""
    found = hazard_kind(kind)
    only: dict[str, Any] = {f"{found.grain}s": list(ids), **at}
    return set(workspace.store.read(found.entity.table, columns=[found.grain], **only)[found.grain])
