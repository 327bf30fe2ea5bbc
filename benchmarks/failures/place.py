"""A workspace in a temporary folder, filled as a user fills one."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aftercast.data.workspace import Workspace, create_workspace, open_workspace
from aftercast.pipelines.drafts import draft_from
from aftercast.pipelines.ingest import run_ingest


@contextmanager
def imported(kind: str, path: Path) -> Iterator[Workspace]:
    """Workspace with the fleet spec drafted from a source and all of it imported; removed at the end."""
    with tempfile.TemporaryDirectory() as folder:
        draft = draft_from(path, kind, {})
        create_workspace(Path(folder) / "fleet", draft.fleet)
        workspace = open_workspace(Path(folder) / "fleet")
        run_ingest(workspace, draft.source, path)
        yield workspace
