"""Examples: which device (or customer) is asked about at which cutoff. One row per (device_id, cutoff)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from aftercast.data.arrays import Ints, Mask
from aftercast.features.customer_history import CustomerHistory
from aftercast.features.event_table import EventTable
from aftercast.features.history import History
from aftercast.features.windows.events import known_version
from aftercast.operations.clocks import NEVER, from_us
from aftercast.operations.errors import InputError

Grain = Literal["device_id", "customer_id"]


@dataclass(frozen=True)
class Examples:
    """Rows of training or scoring, sorted by id, then cutoff.

    Attributes
    ----------
    ids
        Device or customer ids, shape (n,).
    cutoff_us
        Cutoffs, shape (n,), microseconds UTC.
    grain
        What the ids are.

    Raises
    ------
    InputError
        If rows are out of order or repeat; :meth:`of` sorts.
    """

    ids: npt.NDArray[np.str_]
    cutoff_us: Ints
    grain: Grain

    def __post_init__(self) -> None:
        same = self.ids[1:] == self.ids[:-1]
        ordered = (self.ids[1:] > self.ids[:-1]) | (same & (self.cutoff_us[1:] > self.cutoff_us[:-1]))
        if not ordered.all():
            row = int(np.flatnonzero(~ordered)[0]) + 1
            raise InputError(f"Example {row} is out of order or repeated.", "Make them with `Examples.of`.")

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def owner(self) -> Ints:
        """Number of the device or customer of each row in the order of their ids, shape (n,)."""
        new = np.append(False, self.ids[1:] != self.ids[:-1])[: len(self.ids)]
        return np.cumsum(new, dtype=np.int64)

    @staticmethod
    def of(ids: npt.ArrayLike, cutoff_us: npt.ArrayLike, grain: Grain = "device_id") -> Examples:
        """Sorted and distinct examples of pairs of id and cutoff, both shape (n,)."""
        names, cutoffs = np.asarray(ids, dtype=np.str_), np.asarray(cutoff_us, dtype=np.int64)
        order = np.lexsort((cutoffs, names))
        names, cutoffs = names[order], cutoffs[order]
        new = np.ones(len(order), dtype=bool)
        new[1:] = (names[1:] != names[:-1]) | (cutoffs[1:] != cutoffs[:-1])
        return Examples(names[new], cutoffs[new], grain)

    def frame(self) -> pd.DataFrame:
        """Frame of the ids and the cutoffs as UTC times."""
        return pd.DataFrame({self.grain: pd.Series(self.ids, dtype="str"), "cutoff": from_us(self.cutoff_us)})

    def take(self, rows: Mask) -> Examples:
        """Return the examples where rows is true, shape (n,)."""
        return Examples(self.ids[rows], self.cutoff_us[rows], self.grain)

    def offsets(self, owners: npt.NDArray[np.str_]) -> Ints:
        """Rows of owner k of the sorted owners are ``offsets[k]:offsets[k + 1]``, shape (owners + 1,).

        Raises
        ------
        InputError
            If an id is not among the owners.
        """
        starts = np.flatnonzero(np.append(True, self.ids[1:] != self.ids[:-1])[: len(self.ids)])
        unknown = ~np.isin(self.ids[starts], owners)
        if unknown.any():
            rows = np.diff(np.append(starts, len(self.ids)))[unknown].sum()
            raise InputError(
                f"{rows} examples name a {self.grain} without history, first '{self.ids[starts][unknown][0]}'.",
                "Ask only about those that the store knows.",
            )
        starts = np.searchsorted(self.ids, owners)
        return np.append(starts, len(self.ids)).astype(np.int64)


def device_examples(history: History, cutoffs_us: npt.ArrayLike) -> Examples:
    """Every device at every cutoff at which it is known to be in the field.

    A device is in the field at T where its version known at T has ``installed_at <= T`` or none, and not
    ``retired_at <= T``.
    """
    return _at_risk(
        history.devices, history.device_ids, cutoffs_us, start="installed_at", end="retired_at", grain="device_id"
    )


def customer_examples(history: CustomerHistory, cutoffs_us: npt.ArrayLike) -> Examples:
    """Every customer at every cutoff at which they are known and not known to have left."""
    return _at_risk(
        history.customers, history.customer_ids, cutoffs_us, start="since", end="left_at", grain="customer_id"
    )


def _at_risk(
    facts: EventTable, ids: npt.NDArray[np.str_], cutoffs_us: npt.ArrayLike, *, start: str, end: str, grain: Grain
) -> Examples:
    cutoffs = np.unique(np.asarray(cutoffs_us, dtype=np.int64))
    rows, grid = len(ids) * len(cutoffs), np.tile(cutoffs, len(ids))
    offsets = np.arange(len(ids) + 1, dtype=np.int64) * len(cutoffs)
    version = known_version(facts.offsets, facts.available_us, offsets, grid)
    present = np.zeros(rows, dtype=bool)
    known = version >= 0
    at = version[known]
    began = facts.columns[start][at]
    present[known] = ((began <= grid[known]) | (began == NEVER)) & (facts.columns[end][at] > grid[known])
    return Examples(np.repeat(ids, len(cutoffs))[present], grid[present], grain)
