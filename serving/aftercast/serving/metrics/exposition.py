"""All metrics of one application: what it counts, what a scrape looks up, and the text that Prometheus reads."""

from __future__ import annotations

from typing import Final

import pandas as pd
from anyio import CapacityLimiter, to_thread
from prometheus_client import exposition
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import exposition as openmetrics

from aftercast.data.workspace import Workspace
from aftercast.operations.environment import metrics_folder
from aftercast.serving.metrics.models import device_metrics, model_metrics
from aftercast.serving.metrics.requests import RequestMetrics
from aftercast.serving.metrics.shared_gauges import Lookout, look, shared_metrics
from aftercast.serving.model_holder import Champions

PLAIN: Final = exposition.CONTENT_TYPE_PLAIN_0_0_4
OPEN: Final = openmetrics.CONTENT_TYPE_LATEST
AT_ONCE: Final = 2
"""Scrapes that are answered at once; their threads are not those of the other requests, which may all be busy."""


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
        self._lookout = Lookout(lambda: look(workspace))
        self._limiter = CapacityLimiter(AT_ONCE)

    async def exposition(self, accept: str) -> tuple[bytes, str]:
        """Text of all metrics and its media type: OpenMetrics for who accepts it, else Prometheus's own."""
        if "application/openmetrics-text" in accept:
            return await to_thread.run_sync(openmetrics.generate_latest, self, limiter=self._limiter), OPEN
        return await to_thread.run_sync(exposition.generate_latest, self, limiter=self._limiter), PLAIN

    def collect(self) -> list[Metric]:
        """All metrics of now, for the library's writers; may wait two seconds for the database."""
        seen, now = self._lookout.seen(), pd.Timestamp.now("UTC")
        rows = self._champions.held("failure").rows
        devices = [] if rows is None else device_metrics(rows)
        looked_up = [*devices, *shared_metrics(seen, self._workspace.audit, now)]
        return [*self.requests.collect(), *model_metrics(self._champions, now), *looked_up]
