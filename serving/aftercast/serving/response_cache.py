"""Rows of one cutoff with the model that judges them, and the answers already made of them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection
from functools import cached_property
from typing import Final, NamedTuple

from aftercast.data.fleet import FleetSpec
from aftercast.models.hazard.forecast import HazardForecast
from aftercast.models.registry.versions import Loaded
from aftercast.models.scoring.fleet import forecast_rows_of
from aftercast.models.scoring.forecast_rows import ForecastRows, Usual
from aftercast.models.scoring.snapshot import Snapshot

KEPT_BYTES: Final = 64_000_000
Key = tuple[str, str, int]
"""Device or customer id, horizon, number of drivers."""


class Fragment(NamedTuple):
    """The part of an answer that is about one device or customer.

    Attributes
    ----------
    body
        JSON of the result.
    audit
        JSON of what the audit log keeps of it.
    answered
        Whether it is an answer and not an error.
    """

    body: bytes
    audit: bytes
    answered: bool


class Fragments:
    """The answers made last, up to :data:`KEPT_BYTES`; safe to use from several threads."""

    def __init__(self, kept_bytes: int = KEPT_BYTES) -> None:
        self._kept_bytes = kept_bytes
        self._bytes = 0
        self._found: OrderedDict[Key, Fragment] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Key) -> Fragment | None:
        """Return the answer of a key, None where it is not kept."""
        return self._found.get(key)

    def put(self, key: Key, fragment: Fragment) -> None:
        """Keep an answer; the oldest ones make room."""
        with self._lock:
            if key in self._found:
                return
            self._found[key] = fragment
            self._bytes += len(fragment.body) + len(fragment.audit)
            while self._bytes > self._kept_bytes:
                _, oldest = self._found.popitem(last=False)
                self._bytes -= len(oldest.body) + len(oldest.audit)


class Rows:
    """Feature rows of one cutoff and the model that judges them.

    Attributes
    ----------
    loaded, snapshot
        The model and the rows.
    judged
        Whether the forecast of every row is in memory; without it rows are judged when they are asked for.
    fragments
        Answers made of them.
    """

    def __init__(self, loaded: Loaded, snapshot: Snapshot, spec: FleetSpec) -> None:
        self.loaded = loaded
        self.snapshot = snapshot
        self.judged = loaded.run_id in snapshot.judged
        self.fragments = Fragments()
        self._spec = spec

    @cached_property
    def position(self) -> dict[str, int]:
        """Row of each device or customer id."""
        return {str(entity_id): i for i, entity_id in enumerate(self.snapshot.ids)}

    @cached_property
    def usual(self) -> Usual:
        """What is usual for each device model."""
        return Usual.of(self.snapshot)

    @cached_property
    def _every(self) -> ForecastRows:
        return forecast_rows_of(self.loaded, self.snapshot, self._spec, usual=self.usual)

    def forecasts(self, ids: Collection[str], top: int) -> dict[str, HazardForecast]:
        """Forecasts of those ids that have a row, with at most so many drivers."""
        asked = [each for each in dict.fromkeys(ids) if each in self.position]
        if not asked:
            return {}
        if self.judged:
            return {each: self._every.forecast(self.position[each], top) for each in asked}
        few = forecast_rows_of(self.loaded, self.snapshot.of(asked), self._spec, usual=self.usual, top=top)
        return {each: few.forecast(few.position[each], top) for each in asked}
