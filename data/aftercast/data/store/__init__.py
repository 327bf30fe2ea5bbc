"""The store of history: append-only Delta tables whose published versions are rows in SQL."""

from aftercast.data.store.coverage import Span, span_of_times
from aftercast.data.store.damage import find_damage, find_early, find_expired, unpublished_tables
from aftercast.data.store.expiry import Expiry
from aftercast.data.store.history import Store
from aftercast.data.store.quarantine import QuarantineCount, summarise_quarantine
from aftercast.data.store.reading import Selection
from aftercast.data.store.vacuum import Vacuumed, vacuum_store
from aftercast.data.store.writer import StoreWriter

__all__ = [
    "Expiry",
    "QuarantineCount",
    "Selection",
    "Span",
    "Store",
    "StoreWriter",
    "Vacuumed",
    "find_damage",
    "find_early",
    "find_expired",
    "span_of_times",
    "summarise_quarantine",
    "unpublished_tables",
    "vacuum_store",
]
