"""Ingest: read a source, check it against the contract, publish one new version of the store."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, Final

from aftercast.data.fleet import FleetSpec
from aftercast.data.ingest import NEW, Place, Source, get_source, ingest, name_of
from aftercast.data.workspace import FLEET_FILE, Workspace, fill_fleet
from aftercast.models.aliases import Progress
from aftercast.models.metadata import spec_hash
from aftercast.operations.errors import InputError
from aftercast.pipelines.runs import Done, hash_of_files, run_key, run_once

OWN: Final = "tables"
SECTIONS: Final = ("sensors", "components", "fault_codes")
"""Sections of the fleet spec that are drafted while they are empty."""
DRAFTED_FROM: Final[Mapping[str, tuple[str, ...]]] = {
    "sensors": ("telemetry",),
    "rules": ("telemetry",),
    "components": ("failures", "repairs"),
    "fault_codes": ("faults",),
}
"""Tables whose rows a drafted section comes from."""


def run_ingest(
    workspace: Workspace, source_name: str, path: Place, progress: Progress | None = None, *, check: bool = False
) -> Done:
    """Import a source; the same files under the same fleet spec are imported once, a database whenever it is asked.

    Sections of the fleet spec that are empty are drafted from the data, which are then checked by the draft. Once the
    import has succeeded the draft is written to ``fleet.toml``, without what came of rows that were all refused; the
    result says in ``drafted`` what was.

    Parameters
    ----------
    check
        Whether to do all but storing; nothing is changed then.

    Raises
    ------
    InputError
        If the path does not exist or cannot be read as the source.
    """
    source = get_source(source_name)
    if not isinstance(path, str) and not path.exists():
        raise InputError(f"{path} does not exist.", "Name the file or folder to import.")
    if isinstance(path, str) and source.name != OWN:
        raise InputError(f"Source '{source.name}' reads files, not a database.", f"Use {OWN} for a database.")
    fleet = _completed(workspace, source, path)
    content = uuid.uuid4().hex if isinstance(path, str) else hash_of_files(path)
    key = run_key(source=source.name, files=content, spec=spec_hash(fleet))
    origin = f"{source.name}:{name_of(path)}"

    def work() -> dict[str, Any]:
        batches = source.read(path, fleet)
        report = ingest(workspace.store, batches, fleet, origin=origin, progress=progress, keep=not check)
        return {"key": key, "source": source.name, "origin": origin, **report.to_dict()}

    if check:
        return Done({**work(), "drafted": [], "checked": True}, repeated=False)
    done = run_once(workspace, "ingest", key, work)
    drafted = fill_fleet(workspace.path(FLEET_FILE), workspace.fleet, _confirmed(fleet, workspace.fleet, done.result))
    return Done({**done.result, "drafted": list(drafted)}, done.repeated)


def _completed(workspace: Workspace, source: Source, path: Place) -> FleetSpec:
    """Fleet spec under which data are imported: the workspace's, with what the source drafts for its empty sections.

    Before the first import, where neither sensors nor components are named, everything is drafted that nobody changed
    from the defaults.
    """
    fleet = workspace.fleet
    fresh = not fleet.sensors and not fleet.components and not workspace.store.tables()
    if not fresh and all(getattr(fleet, name) for name in source.sections):
        return fleet
    begun = NEW if fresh and (fleet.files, fleet.tables) == (NEW.files, NEW.tables) else fleet
    draft = source.draft(path, begun).model_dump(exclude_none=True)
    written = fleet.model_dump(exclude_none=True)
    if fresh:
        default = FleetSpec(name="").model_dump(exclude_none=True)
        chosen = {name: value for name, value in written.items() if value != default[name]}
        return FleetSpec.model_validate({**draft, **chosen})
    found = {name: draft[name] for name in SECTIONS if draft[name] and not written[name]}
    if "components" in found and fleet.failures_from == "failures":
        found["failures_from"] = draft["failures_from"]
    return FleetSpec.model_validate({**written, **found})


def _confirmed(draft: FleetSpec, before: FleetSpec, report: Mapping[str, Any]) -> FleetSpec:
    """Draft with the sections of before where every row they were drafted from was refused."""
    stored = {name: table["kept"] + table["duplicate"] for name, table in report["tables"].items()}
    if not any(stored.values()):
        return before
    refused = [
        section
        for section, tables in DRAFTED_FROM.items()
        if set(tables) & stored.keys() and not any(stored.get(name, 0) for name in tables)
    ]
    return draft.model_copy(update={section: getattr(before, section) for section in refused})
