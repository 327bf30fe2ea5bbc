"""The workspace folder: all of it may be written by us and by nobody else, with room on its disk."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from aftercast.cli.doctor.deployment import Deployment
from aftercast.cli.doctor.findings import Finding
from aftercast.operations.errors import WorkspaceError

FULL_MB, NEARLY_FULL_MB = 100, 1000


def check(deployment: Deployment) -> Iterator[Finding]:
    """Say what is wrong with the folder."""
    folder = deployment.folder
    if not folder.is_dir():
        raise WorkspaceError(f"{folder} is no folder.", "Run `aftercast init DIR`, or name another with --workspace.")
    yield from _not_ours(folder)
    if folder.stat().st_mode & stat.S_IWOTH:
        yield Finding("problem", "Everyone on this machine may change the workspace.", f"Run `chmod o-w {folder}`.")
    free_mb = shutil.disk_usage(folder).free // 1_000_000
    room = f"{free_mb:,} MB are free on its disk."
    if free_mb < NEARLY_FULL_MB:
        yield Finding("problem" if free_mb < FULL_MB else "warning", room, "Free space, or move the workspace.")
    else:
        yield Finding("ok", room)


def _not_ours(folder: Path) -> Iterator[Finding]:
    """What this user may not write: often made by a command that another user ran, such as root."""
    closed = [folder] if not _may_write(folder) else [path for path in _written(folder) if not _may_write(path)]
    if closed:
        first = "the workspace itself" if closed[0] == folder else str(closed[0].relative_to(folder))
        said = f"{len(closed)} files and folders cannot be written by this user, the first is {first}."
        yield Finding("problem", said, f"Run `chown -R USER {folder}` for the user who runs aftercast.")


def _written(folder: Path) -> Iterator[Path]:
    """Files and folders that commands and the service write; of the tables only folders, since files are only added."""
    yield from (path for path in sorted(folder.iterdir()) if path.suffix != ".toml")
    for name in ("audit", "online", "locks", "last-good"):
        yield from sorted((folder / name).glob("*"))
    yield from sorted((folder / "store").glob("*/_delta_log"))


def _may_write(path: Path) -> bool:
    wanted = os.R_OK | os.W_OK | (os.X_OK if path.is_dir() else 0)
    return os.access(path, wanted, effective_ids=os.access in os.supports_effective_ids)
