"""The array tuples that kernels take: which record is visible from when until when."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from aftercast.data.arrays import Floats, Ints, Mask, Positions
from aftercast.operations.clocks import NEVER

compiled: Final[Any] = njit(cache=True, nogil=True, fastmath=False)


class Visible(NamedTuple):
    """Record versions of n owners in compressed rows; version j of owner d is known at T iff since[j] <= T < until[j].

    Attributes
    ----------
    offsets
        Shape (n + 1,): versions of owner d are ``offsets[d]:offsets[d + 1]``, in event order.
    event, since, until
        Shape (m,), microseconds. ``since`` is the later of event and availability, ``until`` the availability of the
        next version of the same fact (NEVER for the last one).
    """

    offsets: Ints
    event: Ints
    since: Ints
    until: Ints


class Cells(NamedTuple):
    """Values of one quantity: every version, and apart from them the final ones that the fast path sums up.

    Attributes
    ----------
    offsets, event, since, first, values
        Final versions; ``first`` is the instant from which any version of that fact was known.
    all_offsets, all_event, all_since, all_until, all_values
        Every version, in the same order. The same arrays as the final ones where nothing was ever corrected.
    mode
        Shape (n,): per owner :data:`CLEAN`, :data:`LATE` or :data:`SLOW`.
    """

    offsets: Ints
    event: Ints
    since: Ints
    first: Ints
    values: Floats
    all_offsets: Ints
    all_event: Ints
    all_since: Ints
    all_until: Ints
    all_values: Floats
    mode: npt.NDArray[np.uint8]


CLEAN: Final = 0  # every record was known the moment it happened and never corrected
LATE: Final = 1  # some were known later or corrected in place: check each cutoff
SLOW: Final = 2  # corrections moved or removed records: recompute each cutoff from the visible versions


def make_cells(visible: Visible, values: Floats, *, in_place: bool) -> Cells:
    """Cells of versions and their values, NaN values left out.

    Parameters
    ----------
    visible, values
        Versions and their values, shape (m,).
    in_place
        Whether the versions of a fact are neighbours with one event time (telemetry); else owners with
        corrections take the slow path.
    """
    present = ~np.isnan(values)
    if not present.all():
        visible, values = select(visible, present), values[present]
    values = _read_only(values)
    final = visible.until == NEVER
    late = visible.since > visible.event
    mode = np.where(_any_per_owner(visible.offsets, ~final | late), LATE, CLEAN).astype(np.uint8)
    if not in_place:
        mode[_any_per_owner(visible.offsets, ~final)] = SLOW
    elif not final.all():
        mode[_any_per_owner(visible.offsets, _ended(visible, final))] = SLOW
    if final.all():
        o, e, s, u = visible
        return Cells(o, e, s, s, values, o, e, s, u, values, mode)
    first = _first_known(visible)[final]
    offsets = _kept_offsets(visible.offsets, final)
    return Cells(
        offsets, visible.event[final], visible.since[final], first, _read_only(values[final]), *visible, values, mode
    )


def _ended(visible: Visible, final: Mask) -> Mask:
    """Versions of facts that have no final version, since they were taken back, shape (m,)."""
    starts, number = _instants(visible)
    return np.asarray(~np.logical_or.reduceat(final, starts)[number], dtype=bool)


def select(visible: Visible, mask: Mask) -> Visible:
    """Return the versions where mask is true, shape (m,)."""
    offsets = _kept_offsets(visible.offsets, mask)
    return Visible(offsets, visible.event[mask], visible.since[mask], visible.until[mask])


def _read_only(values: Floats) -> Floats:
    """View that nobody writes to; kernels are compiled once for such values and once more for others."""
    view = values.view()
    view.flags.writeable = False
    return view


def _kept_offsets(offsets: Ints, mask: Mask) -> Ints:
    kept = np.concatenate(([0], np.cumsum(mask, dtype=np.int64)))
    return np.asarray(kept[offsets], dtype=np.int64)


def _any_per_owner(offsets: Ints, mask: Mask) -> Mask:
    return np.diff(_kept_offsets(offsets, mask)) > 0


def _first_known(visible: Visible) -> Ints:
    """For each version, since when any version of its (owner, event) was known, shape (m,)."""
    starts, number = _instants(visible)
    return np.asarray(visible.since[starts][number], dtype=np.int64)


def _instants(visible: Visible) -> tuple[Positions, Positions]:
    """First version of each (owner, event), and the number of the (owner, event) of each version, shape (m,)."""
    owner = np.repeat(np.arange(len(visible.offsets) - 1), np.diff(visible.offsets))
    new = np.ones(len(owner), dtype=bool)
    new[1:] = (owner[1:] != owner[:-1]) | (visible.event[1:] != visible.event[:-1])
    return np.flatnonzero(new), np.cumsum(new) - 1
