"""All figures of one application: what it counts, what a scrape looks up, and the text that Prometheus reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import pandas as pd
from anyio import CapacityLimiter, to_thread
from prometheus_client import exposition
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import exposition as openmetrics

from aftercast.data.workspace import Workspace
from aftercast.serving.metrics.counting import Counting
from aftercast.serving.metrics.models import DeviceFigures, model_figures
from aftercast.serving.metrics.shared_gauges import Lookout, look, shared_figures
from aftercast.serving.metrics.workers import Workers, shared_folder
from aftercast.serving.model_holder import Champions

PLAIN: Final = exposition.CONTENT_TYPE_PLAIN_0_0_4
OPEN: Final = openmetrics.CONTENT_TYPE_LATEST
AT_ONCE: Final = 2
"""Scrapes that are answered at once; their threads are not those of the other requests, which may all be busy."""


@dataclass(frozen=True)
class _Found:
    """Families in the shape of a registry, for the library's writers."""

    families: Sequence[Metric]

    def collect(self) -> Sequence[Metric]:
        return self.families


class Measures:
    """Figures of one application.

    Attributes
    ----------
    counting
        Told what happens.
    """

    def __init__(self, workspace: Workspace, champions: Champions) -> None:
        self.counting = Counting()
        self._workspace = workspace
        self._champions = champions
        self._devices = DeviceFigures(champions)
        self._lookout = Lookout(lambda: look(workspace))
        self._workers = Workers(shared_folder(workspace.folder))
        self._limiter = CapacityLimiter(AT_ONCE)

    async def exposition(self, accept: str) -> tuple[bytes, str]:
        """Text of all figures and its media type: OpenMetrics for who accepts it, else Prometheus's own."""
        found = _Found(await to_thread.run_sync(self.collect, limiter=self._limiter))
        if "application/openmetrics-text" in accept:
            return bytes(openmetrics.generate_latest(found)), OPEN  # type: ignore[no-untyped-call]
        return exposition.generate_latest(found), PLAIN

    def collect(self) -> list[Metric]:
        """All figures of now; may wait two seconds for the database."""
        seen, now = self._lookout.seen(), pd.Timestamp.now("UTC")
        shared = [*self._devices.collect(), *shared_figures(seen, self._workspace.audit, now)]
        return [*self._workers.together(self._own()), *shared]

    @contextmanager
    def sharing(self) -> Iterator[None]:
        """Let the other workers of the server tell this one's figures, for the length of the block."""
        with self._workers.sharing(self._own):
            yield

    def _own(self) -> list[Metric]:
        return [*self.counting.collect(), *model_figures(self._champions, pd.Timestamp.now("UTC"))]
