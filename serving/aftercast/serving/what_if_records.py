"""Records that come with a question about one device, checked as an import would check them; nothing is stored."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import pandas as pd

from aftercast.data.contract import Kind
from aftercast.data.ingest import IMPOSSIBLE, CheckedRecords, Refused, check_records, without_conflicts
from aftercast.data.workspace import Workspace
from aftercast.features.history import AttributeKind
from aftercast.features.scope import Feature
from aftercast.features.views.attributes import CONTRACT
from aftercast.models.scoring.impossible_readings import cells_of
from aftercast.operations.clocks import AHEAD

UNKNOWN_COLUMN: Final = "unknown_column"
MOST_UNKNOWN_COLUMNS: Final = 20
"""Unknown fields of a table that are named."""
PLAIN_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
COLUMN_KINDS: Final[dict[AttributeKind, Kind]] = {"number": "float", "category": "text"}


@dataclass(frozen=True)
class DeviceRecords:
    """Records of one device after the checks.

    Attributes
    ----------
    frames
        Contract rows by table.
    undated_facts
        Whether its facts do not say since when they hold.
    refused
        Records and cells that are not read.
    impossible
        Cells that hold impossible values: device_id, event_time, available_at, sensor.
    """

    frames: Mapping[str, pd.DataFrame]
    undated_facts: bool
    refused: tuple[Refused, ...]
    impossible: pd.DataFrame

    @property
    def facts(self) -> pd.DataFrame:
        """Standing facts: one row, and one more for an end that becomes known later."""
        return self.frames.get("devices", pd.DataFrame())

    def newest(self) -> pd.Timestamp | None:
        """When the newest record became known (UTC); facts that will hold later are not known yet."""
        now = pd.Timestamp.now("UTC") + AHEAD
        known = [
            frame.loc[frame["available_at"] <= now, "available_at"] for frame in self.frames.values() if len(frame)
        ]
        return max((moments.max() for moments in known if len(moments)), default=None)

    def with_facts_at(self, cutoff: pd.Timestamp) -> DeviceRecords:
        """Records whose undated facts hold at a cutoff: of an imported device they are newer than the stored ones."""
        if not self.undated_facts or len(self.facts) == 0:
            return self
        moments = self.facts["available_at"]
        at = pd.Series(cutoff, index=moments.index).astype(moments.dtype)
        known = (moments == moments.min()) | (moments <= at)  # an end that is planned for later is a row of its own
        newest = self.facts[known].sort_values("available_at", kind="stable").tail(1)
        dated = pd.concat([self.facts[~known], newest.assign(available_at=at[newest.index])], ignore_index=True)
        return replace(self, frames={**self.frames, "devices": dated})


def check_device_records(
    workspace: Workspace,
    dictionary: Sequence[Feature],
    device_id: str,
    sent: Mapping[str, Sequence[Mapping[str, Any]]],
) -> DeviceRecords:
    """Check the records of a device, one table after the other.

    Parameters
    ----------
    dictionary
        Features of the model; the attributes among them are columns that facts may have.
    sent
        Table name -> records without ``device_id``.
    """
    attributes = {
        each.name: COLUMN_KINDS[each.kind]
        for each in dictionary
        if each.view == "attributes" and each.name not in CONTRACT
    }
    undated_facts = any(row.get("available_at") is None for row in sent.get("devices", ()))
    now, spec = pd.Timestamp.now("UTC"), workspace.fleet
    frames: dict[str, pd.DataFrame] = {}
    refused: list[Refused] = []
    impossible: list[Mapping[str, Any]] = []
    sensors: list[str] = []
    for table in sorted(sent):
        rows = [{**row, "device_id": device_id} for row in sent[table]]
        taken = attributes if table == "devices" else None
        checked = check_records(table, rows, spec, {"device_id": {device_id}}, taken, now=now)
        cells = [each for each in checked.refused if each.reason == IMPOSSIBLE]
        impossible += [rows[each.row] for each in cells]
        sensors += [each.column for each in cells]
        newer = table == "devices" and undated_facts  # newer than all that is stored, so no contradiction
        settled = checked if newer or len(checked.frame) == 0 else without_conflicts(workspace.store, checked)
        frames[table] = settled.frame
        refused += [*_unknown_columns(settled), *settled.refused]
    return DeviceRecords(frames, undated_facts, tuple(refused), cells_of(impossible, sensors, spec))


def _unknown_columns(checked: CheckedRecords) -> list[Refused]:
    """Fields that the table does not use, each once; the name is left out where it does not look like one."""
    first: dict[str, int] = {}
    for place, name in checked.strange:
        first.setdefault(name, place)
    return [
        Refused(checked.table, place, UNKNOWN_COLUMN, name if PLAIN_NAME.fullmatch(name) else "", cell_only=True)
        for name, place in list(first.items())[:MOST_UNKNOWN_COLUMNS]
    ]
