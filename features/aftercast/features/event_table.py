"""Records of one table by owner, every version kept, and which version is visible when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from aftercast.data.arrays import Ints, Mask, Positions
from aftercast.features.windows.arrays import Visible
from aftercast.operations.clocks import NEVER, to_us

Column = npt.NDArray[Any]
WITHDRAWN_AT: Final = "withdrawn_at"


@dataclass(frozen=True)
class EventTable:
    """Rows of one table in compressed rows by owner, sorted by event, key and availability.

    Attributes
    ----------
    offsets
        Shape (owners + 1,).
    event_us, available_us
        Shape (n,), microseconds.
    key
        Shape (n,): rank of the fact among all facts (work orders, contacts); with ``moving`` the versions of a fact
        are the rows of one rank, else the rows of one owner, event and rank.
    moving
        Whether a correction may change the event time or the owner.
    columns
        Further columns, shape (n,): float64 with NaN, int64 microseconds, or object of str and None.
    withdrawn_us
        Since when a row is taken back, NEVER where it is not, shape (n,); None where no row ever was.
    """

    offsets: Ints
    event_us: Ints
    available_us: Ints
    key: Ints
    moving: bool
    columns: Mapping[str, Column]
    withdrawn_us: Ints | None = None

    @property
    def owner(self) -> Ints:
        """Owner of each row, shape (n,)."""
        return np.repeat(np.arange(len(self.offsets) - 1, dtype=np.int64), np.diff(self.offsets))

    @cached_property
    def visible(self) -> Visible:
        """Since when until when each row is the version to be seen."""
        since = np.maximum(self.event_us, self.available_us)
        until = self._until()
        until = until if self.withdrawn_us is None else np.minimum(until, self.withdrawn_us)
        return Visible(self.offsets, self.event_us, since, until)

    def _until(self) -> Ints:
        until = np.full(len(self.event_us), NEVER, dtype=np.int64)
        if self.moving:
            order = np.lexsort((self.available_us, self.key))
            same = self.key[order][1:] == self.key[order][:-1]
            until[order[:-1][same]] = self.available_us[order[1:][same]]
            return until
        same = (self.event_us[1:] == self.event_us[:-1]) & (self.key[1:] == self.key[:-1])
        first = self.offsets[1:-1]
        same[first[(first > 0) & (first < len(until))] - 1] = False
        until[:-1][same] = self.available_us[1:][same]
        return until

    def take(self, mask: Mask) -> EventTable:
        """Return the rows where mask is true, shape (n,)."""
        kept = np.concatenate(([0], np.cumsum(mask, dtype=np.int64)))
        return replace(
            self,
            offsets=kept[self.offsets],
            event_us=self.event_us[mask],
            available_us=self.available_us[mask],
            key=self.key[mask],
            columns={name: values[mask] for name, values in self.columns.items()},
            withdrawn_us=None if self.withdrawn_us is None else self.withdrawn_us[mask],
        )

    def known_at(self, moment_us: int) -> EventTable:
        """Return the rows with ``available_at`` at or before the moment, as if nothing were taken back after it."""
        known = self.take(self.available_us <= moment_us)
        if known.withdrawn_us is None:
            return known
        return replace(known, withdrawn_us=np.where(known.withdrawn_us > moment_us, NEVER, known.withdrawn_us))


def event_table(
    frame: pd.DataFrame,
    owners: npt.NDArray[np.str_],
    *,
    owner: str,
    event: str,
    key: str | None = None,
    moving: bool = False,
    columns: Sequence[str] | None = None,
) -> EventTable:
    """Build the records of a contract frame; rows of owners that are not listed, or without event, are left out.

    Parameters
    ----------
    frame
        Rows of one table with the contract's columns; times UTC. ``withdrawn_at`` says since when a row is taken back.
    owners
        Sorted ids, shape (owners,).
    owner, event, key
        Columns of the frame; without ``key`` a fact is its owner and event.
    columns
        Which further columns to keep; all others of the frame where None.
    """
    code = _positions(frame[owner], owners)
    event_us, available_us = to_us(frame[event]), to_us(frame["available_at"])
    rank = _ranks(frame[key]) if key is not None else np.zeros(len(frame), dtype=np.int64)
    kept = np.flatnonzero((code >= 0) & (event_us != NEVER))
    order = _ordered(kept, code, event_us, rank, available_us)
    offsets = np.searchsorted(code[order], np.arange(len(owners) + 1)).astype(np.int64)
    own = (owner, "available_at", WITHDRAWN_AT)
    names = [c for c in frame.columns if c not in own] if columns is None else columns
    values = {name: column_values(frame[name])[order] for name in names}
    withdrawn_us = to_us(frame[WITHDRAWN_AT])[order] if WITHDRAWN_AT in frame.columns else None
    return EventTable(offsets, event_us[order], available_us[order], rank[order], moving, values, withdrawn_us)


def _positions(ids: pd.Series, owners: npt.NDArray[np.str_]) -> Positions:
    """Position of each id among the owners, -1 where it is missing or none of them, shape (n,)."""
    codes, distinct = pd.factorize(ids)
    found = pd.Index(owners.astype(object)).get_indexer(pd.Index(np.asarray(distinct, dtype=object)))
    return np.append(found, -1)[codes]


def _ordered(kept: Positions, *keys: npt.NDArray[Any]) -> Positions | slice:
    """Positions sorted by the keys, first key first; rows that are all kept and in order already are one slice."""
    whole = len(kept) == len(keys[0])
    chosen = [key if whole else key[kept] for key in keys]
    undecided: Mask | None = None
    for key in chosen:
        behind = key[1:] < key[:-1]
        if (behind if undecided is None else undecided & behind).any():
            return kept[np.lexsort(chosen[::-1])]
        same = key[1:] == key[:-1]
        undecided = same if undecided is None else undecided & same
        if not undecided.any():
            break
    return slice(None) if whole else kept


def _ranks(values: pd.Series) -> Ints:
    """Rank of each text among the sorted distinct ones, missing last."""
    codes, uniques = pd.factorize(values.astype(object), sort=True)
    return np.where(codes < 0, len(uniques), codes).astype(np.int64)


def column_values(values: pd.Series) -> Column:
    """Numpy column of a series: microseconds of times, float64 of numbers and flags, object of str and None else."""
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        return to_us(values)
    if pd.api.types.is_numeric_dtype(values.dtype) or pd.api.types.is_bool_dtype(values.dtype):
        return values.to_numpy(dtype=np.float64, na_value=np.nan)
    texts = values.astype(object).to_numpy()
    return np.where(pd.isna(texts), None, texts)  # type: ignore[call-overload]
