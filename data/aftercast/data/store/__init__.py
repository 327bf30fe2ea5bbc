"""The store of history: append-only Delta tables whose published versions are rows in SQL."""

from aftercast.data.store.history import Store
from aftercast.data.store.writer import StoreWriter

__all__ = ["Store", "StoreWriter"]
