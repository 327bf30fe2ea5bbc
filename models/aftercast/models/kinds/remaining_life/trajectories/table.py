"""Trajectories: rows of units in order of cycle, checked once so that everything after may rely on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from aftercast.models.aliases import Floats, Ints
from aftercast.operations.errors import InputError, NotEnoughDataError

UNIT: Final = "unit"
CYCLE: Final = "cycle"


@dataclass(frozen=True)
class Trajectories:
    """Rows of n cycles of m units, units together, cycles of a unit strictly increasing.

    Attributes
    ----------
    units
        The m units in order of their rows, as text.
    starts
        First row of each unit and the end of the last, m + 1.
    cycles
        Cycle of each row, n; a count that starts anywhere, gaps allowed.
    settings
        Operating settings, n x number of settings.
    sensors
        Sensor values, n x number of sensors, no NaN.
    """

    units: tuple[str, ...]
    starts: Ints
    cycles: Floats
    settings: Floats
    sensors: Floats

    def slices(self) -> Iterator[slice]:
        """Rows of each unit."""
        for first, end in zip(self.starts[:-1], self.starts[1:], strict=True):
            yield slice(int(first), int(end))

    @property
    def unit_of_row(self) -> Ints:
        """Position of each row's unit among ``units``, n."""
        return np.repeat(np.arange(len(self.units)), np.diff(self.starts))

    @property
    def last_rows(self) -> Ints:
        """Last row of each unit, m."""
        return self.starts[1:] - 1


def read_trajectories(frame: pd.DataFrame, settings: Sequence[str], sensors: Sequence[str]) -> Trajectories:
    """Check a frame with ``unit``, ``cycle`` and the named columns, one row a unit and cycle.

    Raises
    ------
    InputError
        If a column is missing, is not numeric or has missing or infinite values, if the rows of a unit are not
        together, or its cycles do not increase.
    NotEnoughDataError
        If there is no row.
    """
    _check_columns(frame, [UNIT, CYCLE, *settings, *sensors])
    _check_units(frame)
    units = frame[UNIT].astype("str").to_numpy(dtype=object)
    first = np.flatnonzero(np.concatenate(([True], units[1:] != units[:-1])))
    names = tuple(str(unit) for unit in units[first])
    if len(set(names)) < len(names):
        raise InputError(f"Rows of {len(names) - len(set(names))} units are not together.", "Sort by unit and cycle.")
    cycles = _numbers(frame, [CYCLE])[:, 0]
    _check_order(cycles, first, names)
    starts = np.append(first, len(frame)).astype(np.int64)
    return Trajectories(names, starts, cycles, _numbers(frame, settings), _numbers(frame, sensors))


def _check_columns(frame: pd.DataFrame, wanted: list[str]) -> None:
    missing = [name for name in wanted if name not in frame.columns]
    if missing:
        raise InputError(
            f"{len(missing)} columns are not in the frame, for example '{missing[0]}'.",
            f"It has: {', '.join(map(str, frame.columns[:30]))}.",
        )


def _check_units(frame: pd.DataFrame) -> None:
    if len(frame) == 0:
        raise NotEnoughDataError("There is no row of any unit.", "Hand in at least one cycle of a unit.")
    if frame[UNIT].isna().any():
        raise InputError(f"{int(frame[UNIT].isna().sum())} rows name no unit.", "Fill the column 'unit'.")


def _numbers(frame: pd.DataFrame, names: Sequence[str]) -> Floats:
    columns = []
    for name in names:
        try:
            values = frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
        except (TypeError, ValueError) as error:
            raise InputError(f"Column '{name}' is not numeric.", "Convert it before.") from error
        wrong = int((~np.isfinite(values)).sum())
        if wrong > 0:
            raise InputError(
                f"Column '{name}' is missing or infinite in {wrong} rows.", "Leave those rows or that column out."
            )
        columns.append(values)
    return np.column_stack(columns) if columns else np.empty((len(frame), 0))


def _check_order(cycles: Floats, first: npt.NDArray[np.intp], names: tuple[str, ...]) -> None:
    falls = np.flatnonzero(np.diff(cycles) <= 0) + 1
    falls = falls[~np.isin(falls, first)]
    if len(falls) > 0:
        unit = names[int(np.searchsorted(first, falls[0], side="right")) - 1]
        raise InputError(
            f"Cycles do not increase in {len(falls)} rows, for example of unit '{unit}'.",
            "Sort by unit and cycle, one row each.",
        )
