"""All metrics of one application: what it counts, what a scrape looks up, and the text that Prometheus reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pandas as pd
from anyio import CapacityLimiter, to_thread
from prometheus_client import exposition
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import exposition as openmetrics

from aftercast.data.workspace import Workspace
from aftercast.operations.environment import metrics_folder
from aftercast.serving.metrics.models import DeviceMetrics, model_metrics
from aftercast.serving.metrics.requests import RequestMetrics
from aftercast.serving.metrics.shared_gauges import Lookout, look, shared_metrics
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


class Metrics:
    """Metrics of one application.

    Attributes
    ----------
    requests
        Counts what happens.
    """

    def __init__(self, workspace: Workspace, champions: Champions) -> None:
        self.requests = RequestMetrics(metrics_folder())
        self._workspace = workspace
        self._champions = champions
        self._devices = DeviceMetrics(champions)
        self._lookout = Lookout(lambda: look(workspace))
        self._limiter = CapacityLimiter(AT_ONCE)

    async def exposition(self, accept: str) -> tuple[bytes, str]:
        """Text of all metrics and its media type: OpenMetrics for who accepts it, else Prometheus's own."""
        found = _Found(await to_thread.run_sync(self.collect, limiter=self._limiter))
        if "application/openmetrics-text" in accept:
            return bytes(openmetrics.generate_latest(found)), OPEN  # type: ignore[no-untyped-call]
        return exposition.generate_latest(found), PLAIN

    def collect(self) -> list[Metric]:
        """All metrics of now; may wait two seconds for the database."""
        seen, now = self._lookout.seen(), pd.Timestamp.now("UTC")
        looked_up = [*self._devices.collect(), *shared_metrics(seen, self._workspace.audit, now)]
        return [*self.requests.collect(), *model_metrics(self._champions, now), *looked_up]
