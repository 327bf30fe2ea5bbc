"""Runs the service in one process or several, and says with which status it ended.

The library's own runner ends with 0 where a worker cannot start, or starts it again for ever.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from prometheus_client.multiprocess import mark_process_dead
from uvicorn import Config, Server
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from aftercast.operations.environment import share_metrics

NO_APPLICATION: Final = frozenset({1, 2})
"""Exit codes of a worker that could not make its application: a defect, and what a user can mend."""


def run_service(config: Config) -> int:
    """Answer until ended; returns the exit status. In one process, one that cannot make its application just exits."""
    if config.workers > 1:
        return _run_workers(Workers(config, sockets=[config.bind_socket()]))
    server = Server(config)
    with suppress(KeyboardInterrupt):
        server.run()
    return 0 if server.started else STARTUP_FAILURE


class Workers(Multiprocess):
    """Processes that share the port, ended together where one could not make its application and no other answers.

    While another answers it is started again: what is wrong came later, and may pass.

    Attributes
    ----------
    unusable
        Exit code of the one for which all were ended; 0 where none was.
    """

    unusable: int = 0
    _pids: frozenset[int | None] = frozenset()

    def keep_subprocess_alive(self) -> None:
        """Start again who died, unless all have to end."""
        before = tuple(self.processes)
        super().keep_subprocess_alive()
        self._count_living()
        ended = [code for worker in before if (code := worker.exitcode) in NO_APPLICATION]
        if ended and not any(worker.is_ready(self.config.timeout_worker_healthcheck) for worker in self.processes):
            self.unusable = ended[0] or 0
            self.should_exit.set()

    def _count_living(self) -> None:
        """Take those that died or were replaced out of the gauges of the metrics; their counts stay."""
        living = frozenset(worker.pid for worker in self.processes)
        for pid in self._pids - living:
            mark_process_dead(pid)  # type: ignore[no-untyped-call]
        self._pids = living


def _run_workers(workers: Workers) -> int:
    with suppress(KeyboardInterrupt), TemporaryDirectory(prefix="aftercast-metrics-") as folder:
        share_metrics(Path(folder))  # before a worker starts, which counts in it
        workers.run()
    failed = any(worker.exitcode == STARTUP_FAILURE for worker in workers.processes)
    return workers.unusable or (STARTUP_FAILURE if failed else 0)
