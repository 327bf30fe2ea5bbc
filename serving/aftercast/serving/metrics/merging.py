"""Figures of several workers put together, and in the form in which they pass from one to another."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson
from prometheus_client.metrics_core import Metric
from prometheus_client.samples import Sample

from aftercast.serving.metrics.catalogue import CATALOGUE

Key = tuple[str, tuple[tuple[str, str], ...]]
"""Name of a sample, and its labels."""


def merge(parts: Iterable[Iterable[Metric]]) -> list[Metric]:
    """One family of each name; equal labels are one figure, in the way the catalogue says."""
    found: dict[str, dict[Key, float]] = {}
    for metric in (each for part in parts for each in part):
        figures = found.setdefault(metric.name, {})
        greatest = CATALOGUE[metric.name].together == "greatest"
        for each in metric.samples:
            key = (each.name, tuple(each.labels.items()))
            old = figures.get(key)
            figures[key] = each.value if old is None else max(old, each.value) if greatest else old + each.value
    return [_family(name, figures) for name, figures in found.items()]


def _family(name: str, figures: dict[Key, float]) -> Metric:
    metric = CATALOGUE[name].empty()
    metric.samples = [Sample(sample, dict(labels), value) for (sample, labels), value in figures.items()]
    return metric


def lasting(families: Iterable[Metric]) -> list[Metric]:
    """Those whose figures count after their worker has ended."""
    return [metric for metric in families if CATALOGUE[metric.name].outlives_its_worker]


def to_bytes(families: Iterable[Metric]) -> bytes:
    """JSON of families."""
    return orjson.dumps({each.name: [(one.name, one.labels, one.value) for one in each.samples] for each in families})


def from_bytes(content: bytes) -> list[Metric]:
    """Families of their JSON."""
    found: dict[str, list[tuple[str, dict[str, str], Any]]] = orjson.loads(content)
    out = []
    for name, samples in found.items():
        metric = CATALOGUE[name].empty()
        metric.samples = [Sample(*each) for each in samples]
        out.append(metric)
    return out
