"""The store of history: append-only Delta tables whose published versions are rows in SQL."""

from aftercast.data.store.coverage import Span, span_of_times
from aftercast.data.store.damage import find_damage, find_early, unpublished_tables
from aftercast.data.store.history import Store
from aftercast.data.store.quarantine import QuarantineCount, summarise_quarantine
from aftercast.data.store.reading import Selection
from aftercast.data.store.writer import StoreWriter

__all__ = [
    "QuarantineCount",
    "Selection",
    "Span",
    "Store",
    "StoreWriter",
    "find_damage",
    "find_early",
    "span_of_times",
    "summarise_quarantine",
    "unpublished_tables",
]
