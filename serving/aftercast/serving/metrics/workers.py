"""The workers of one server: each writes its figures to a file of a folder they share, and whoever is scraped adds up.

The client library's own way (PROMETHEUS_MULTIPROC_DIR) is one registry for the whole process, chosen when the library
is first imported, and goes on telling the gauges of workers that died. Here a worker that died or was replaced keeps
its counts, so that no sum falls, and nothing else.

Figures of other workers are at most :data:`EVERY_S` old. The one that is scraped writes its own first: otherwise the
next scrape, of another worker, could see a smaller count, and Prometheus would take it for a restart.
"""

from __future__ import annotations

import hmac
import logging
import multiprocessing
import os
import shutil
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from prometheus_client.metrics_core import Metric

from aftercast.operations.audit.lock import SharedLock
from aftercast.serving.metrics.merging import from_bytes, lasting, merge, to_bytes

LOG: Final = logging.getLogger("aftercast.serving")
EVERY_S: Final = 1.0
STALE_S: Final = 10.0
"""A worker that has written nothing for so long hangs: its gauges do not count."""
RUNS, ENDED, WRITING = ".runs", ".ended", ".writing"


def shared_folder(workspace: Path) -> Path | None:
    """Folder of the workers that a server started for a workspace; None where this process is no such worker.

    Its name comes from the random key that Python hands from a process to those it starts, so that each server has
    its own, nobody can guess it, and no process number is mistaken for that of an earlier server.
    """
    if multiprocessing.parent_process() is None:
        return None
    key = multiprocessing.current_process().authkey
    name = hmac.new(key, f"aftercast metrics {workspace}".encode(), "sha256").hexdigest()[:32]
    return Path(tempfile.gettempdir()) / f"aftercast-{name}"


class Workers:
    """One worker among the others of its server; safe for threads.

    Parameters
    ----------
    folder
        Shared by the workers; None for a worker that has no others.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._stem = f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._inherited: list[Metric] = []
        self._threads = threading.Lock()
        self._away = False

    def together(self, own: Sequence[Metric]) -> list[Metric]:
        """Figures of all workers; only its own where the folder cannot be used, which is logged."""
        if self._folder is None:
            return list(own)
        try:
            with self._alone(self._folder):
                mine = self._write(self._folder, own)
                found = merge([mine, *(self._read(path) for path in self._others(self._folder))])
        except OSError as error:
            self._note_away(error)
            return list(own)
        self._away = False
        return found

    @contextmanager
    def sharing(self, own: Callable[[], Sequence[Metric]]) -> Iterator[None]:
        """Show this worker's figures to the others for the length of the block; its counts stay when it ends."""
        if self._folder is None:
            yield
            return
        self._inherit(self._folder)
        stop = threading.Event()

        def show() -> None:
            self.together(own())
            while not stop.wait(EVERY_S):
                self.together(own())

        shower = threading.Thread(target=show, name="aftercast metrics of workers", daemon=True)
        shower.start()
        try:
            yield
        finally:
            stop.set()
            shower.join()
            self._leave(self._folder, own())

    def _write(self, folder: Path, own: Sequence[Metric]) -> list[Metric]:
        mine = merge([own, self._inherited])
        unfinished = folder / f"{self._stem}{WRITING}"
        unfinished.write_bytes(to_bytes(mine))
        unfinished.replace(folder / f"{self._stem}{RUNS}")
        return mine

    def _others(self, folder: Path) -> list[Path]:
        found = [path for path in sorted(folder.iterdir()) if path.suffix in {RUNS, ENDED}]
        return [path for path in found if path.stem != self._stem]

    def _read(self, path: Path) -> list[Metric]:
        families = from_bytes(path.read_bytes())
        return families if _runs(path) and time.time() - path.stat().st_mtime < STALE_S else lasting(families)

    def _inherit(self, folder: Path) -> None:
        """Take over the counts of workers that have ended, so that their files do not become many."""
        try:
            with self._alone(folder):
                ended = [path for path in self._others(folder) if not _runs(path)]
                self._inherited = merge(lasting(from_bytes(path.read_bytes())) for path in ended)
                self._write(folder, [])
                for path in ended:
                    path.unlink()
        except OSError as error:
            self._note_away(error)

    def _leave(self, folder: Path, own: Sequence[Metric]) -> None:
        """Leave the counts to the others; the last one takes the folder away."""
        try:
            with self._alone(folder):
                self._write(folder, own)
                (folder / f"{self._stem}{RUNS}").rename(folder / f"{self._stem}{ENDED}")
                if not any(_runs(path) for path in self._others(folder)):
                    shutil.rmtree(folder)
        except OSError as error:
            self._note_away(error)

    @contextmanager
    def _alone(self, folder: Path) -> Iterator[None]:
        """Hold the folder for this thread of this process."""
        with self._threads:
            folder.mkdir(mode=0o700, exist_ok=True)
            lock = SharedLock(folder)
            lock.take(STALE_S)
            try:
                yield
            finally:
                lock.close()

    def _note_away(self, error: OSError) -> None:
        if not self._away:
            LOG.warning("metrics are of this worker only, the others' cannot be read: %s", error.strerror or error)
        self._away = True


def _runs(path: Path) -> bool:
    """Whether the worker of a file runs: it did not say that it ended, and its process exists."""
    if path.suffix == ENDED:
        return False
    try:
        os.kill(int(path.stem.partition("-")[0]), 0)
    except (ProcessLookupError, PermissionError):  # the second: its number went to a process of somebody else
        return False
    return True
