"""The workspace folder: may be written by us and by nobody else, with room on its disk."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator

from aftercast.data.errors import WorkspaceError
from aftercast.pipelines.doctor.findings import Finding
from aftercast.pipelines.doctor.patient import Patient

FULL_MB, NEARLY_FULL_MB = 100, 1000


def check(patient: Patient) -> Iterator[Finding]:
    """Say what is wrong with the folder."""
    folder = patient.folder
    if not folder.is_dir():
        raise WorkspaceError(f"{folder} is no folder.", "Run `aftercast init DIR`, or name another with --workspace.")
    if not os.access(folder, os.W_OK):
        yield Finding("problem", "The workspace cannot be written.", "Give it to the user who runs aftercast.")
    if folder.stat().st_mode & stat.S_IWOTH:
        yield Finding("problem", "Everyone on this machine may change the workspace.", f"Run `chmod o-w {folder}`.")
    free_mb = shutil.disk_usage(folder).free // 1_000_000
    room = f"{free_mb:,} MB are free on its disk."
    if free_mb < NEARLY_FULL_MB:
        yield Finding("problem" if free_mb < FULL_MB else "warning", room, "Free space, or move the workspace.")
    else:
        yield Finding("ok", room)
