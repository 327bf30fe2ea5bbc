"""Which source some data belongs to, found by letting each draft a fleet spec from it."""

from __future__ import annotations

from pathlib import Path

from aftercast.data.fleet import FleetSpec
from aftercast.data.ingest import SOURCES, get_source
from aftercast.operations.errors import AftercastError, InputError


def draft_from(path: Path, source_name: str | None) -> tuple[str, FleetSpec]:
    """Name of the source and the fleet spec it drafts from a path.

    Without a name every source is tried, the ones for a publisher's layout before the general ``tables``.

    Raises
    ------
    InputError
        If the path does not exist or no source understands it.
    """
    if not path.exists():
        raise InputError(f"{path} does not exist.", "Name the file or folder that holds the data.")
    if source_name is not None:
        return source_name, get_source(source_name).draft(path)
    for name in sorted(SOURCES, key=lambda known: (known == "tables", known)):
        try:
            return name, SOURCES[name].draft(path)
        except AftercastError:  # this layout is not it; the next one may be
            continue
    raise InputError(f"No source understands {path}.", f"Name it with --kind: {', '.join(sorted(SOURCES))}.")
