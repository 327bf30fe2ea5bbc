"""Exactly once on an at-least-once scheduler: each flow run has a key, and a key is done once.

A finished key returns what was recorded. A run that was killed leaves its key started, and the next one does it again;
what a flow writes is idempotent by itself, so that doing it again changes nothing that was done. A lock file per key
in the workspace lets one of several runs work while the others wait for its result; the operating system frees it when
a process dies, so that nothing has to expire.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from sqlalchemy.exc import SQLAlchemyError

from aftercast.data.workspace import Workspace
from aftercast.operations.database.flow_runs import find_flow_run, record_failure, record_finish, record_start
from aftercast.operations.errors import WorkspaceError

PATIENCE_S = 3600.0


@dataclass(frozen=True)
class Done:
    """What a run returned; repeated when an earlier run of the same key had done it."""

    result: dict[str, Any]
    repeated: bool

    def to_dict(self) -> dict[str, Any]:
        """Result with ``repeated``, as JSON values."""
        return {**self.result, "repeated": self.repeated}


def run_key(**parts: object) -> str:
    """Key of a run: digest of everything its result depends on, 16 hexadecimal digits, independent of their order.

    The version of aftercast is always one of them: a newer one does the work again.

    >>> run_key(kind="failure", version=3) == run_key(version=3, kind="failure")
    True
    """
    every = {"aftercast": version("aftercast"), **parts}
    text = json.dumps({name: str(part) for name, part in every.items()}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def run_once(
    workspace: Workspace,
    flow: str,
    key: str,
    work: Callable[[], dict[str, Any]],
    *,
    again: bool = False,
    patience_s: float = PATIENCE_S,
) -> Done:
    """Do the work of a key unless it was done; of concurrent runs one does it and the others return its result.

    Parameters
    ----------
    work
        Returns a JSON object; must be safe to do again after it was killed at any point.
    again
        Whether to do it even if it was done, because its effect was lost.
    patience_s
        How long to wait for another run of the same key.

    Raises
    ------
    WorkspaceError
        If another run of the key did not end in time.
    """
    with one_at_a_time(workspace, flow, key, patience_s=patience_s):
        found = find_flow_run(workspace.database, flow, key)
        if found is not None and found.result is not None and not again:
            return Done(found.result, repeated=True)
        record_start(workspace.database, flow, key)
        try:
            result = work()
        except BaseException:
            with suppress(SQLAlchemyError):  # where even that fails, the error of the work counts
                record_failure(workspace.database, flow, key)
            raise
        record_finish(workspace.database, flow, key, result)
        return Done(result, repeated=False)


@contextmanager
def one_at_a_time(
    workspace: Workspace, flow: str, key: str | None = None, *, patience_s: float = PATIENCE_S
) -> Iterator[None]:
    """Let one run of a flow, or of one key of it, work at a time; the operating system frees the lock of one that dies.

    Raises
    ------
    WorkspaceError
        If another run did not end in time.
    """
    folder = workspace.path("locks")
    folder.mkdir(exist_ok=True)
    lock = FileLock(folder / f"{flow if key is None else f'{flow}-{key}'}.lock", timeout=patience_s)
    try:
        lock.acquire()
    except Timeout as error:  # only of this lock: one that the work waits for is told by the work
        said = f"Another run of this {flow} has been working for over {patience_s:.0f} s."
        raise WorkspaceError(said, "Wait for it, or end it.") from error
    try:
        yield
    finally:
        lock.release()


def is_running(workspace: Workspace, flow: str, key: str) -> bool:
    """Whether somebody works on a key now: its lock is held. A run that was killed holds none."""
    path = workspace.path("locks", f"{flow}-{key}.lock")
    if not path.exists():
        return False
    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        return True
    lock.release()
    return False


def hash_of_files(path: Path) -> str:
    """Digest of the names and contents of a file or of all files below a folder, 64 hexadecimal digits."""
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode() if file == path else str(file.relative_to(path)).encode())
        with file.open("rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()
