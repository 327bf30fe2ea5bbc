"""Rows of many files by day: days come in order whatever the files are called and however they overlap.

Files are opened when their first day is due, so that a year of daily files is never in memory at once. A file whose
own days are not in order is read whole.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pandas as pd

from aftercast.data.ingest.sources.reading import read_chunks, utc


@dataclass(frozen=True)
class Piece:
    """Rows of one day from one file.

    Attributes
    ----------
    date
        The day, 00:00 UTC.
    rows
        Its rows, shape (n, columns of the file); the index is the row's number in the file, from 0.
    """

    date: pd.Timestamp
    file: Path
    rows: pd.DataFrame


def read_days(
    files: Sequence[Path], date: str, *, required: Sequence[str] = (), text: Sequence[str] = ()
) -> Iterator[list[Piece]]:
    """Days ascending, each as its pieces in the order of the files.

    Parameters
    ----------
    date
        The column that holds the day.
    required, text
        As for :func:`read_chunks`.

    Raises
    ------
    InputError
        As :func:`read_chunks`, and for a day that cannot be read.
    """
    streams = [_pieces(file, date, required, text) for file in files]
    for _, pieces in groupby(heapq.merge(*streams, key=_day_of), key=_day_of):
        yield [piece for piece in pieces if len(piece.rows) > 0]


def _day_of(piece: Piece) -> pd.Timestamp:
    return piece.date


def _pieces(file: Path, date: str, required: Sequence[str], text: Sequence[str]) -> Iterator[Piece]:
    """Days of one file ascending, after a piece without rows: once that one's day is due the file is read."""
    first, in_order = _survey(file, date)
    yield Piece(first, file, pd.DataFrame())
    chunks = read_chunks(file, required=required, typed=True, text=text)
    if not in_order:
        whole = pd.concat(list(chunks))
        chunks = iter([whole.loc[_days(whole, date, file).sort_values(kind="stable").index]])
    found = (
        Piece(pd.Timestamp(day), file, rows)
        for chunk in chunks
        for day, rows in chunk.groupby(_days(chunk, date, file), sort=True)
    )
    for day, pieces in groupby(found, key=_day_of):  # a day may go on in the next chunk
        yield Piece(day, file, pd.concat([piece.rows for piece in pieces]))


def _survey(file: Path, date: str) -> tuple[pd.Timestamp, bool]:
    """First day of a file, and whether its days are in order."""
    chunks = (_days(chunk, date, file) for chunk in read_chunks(file, required=(date,), columns=(date,)))
    ends = [(days.iloc[0], days.iloc[-1], days.min(), days.is_monotonic_increasing) for days in chunks]
    turns = [day for first, last, _, _ in ends for day in (first, last)]
    in_order = turns == sorted(turns) and all(monotonic for *_, monotonic in ends)
    return min(earliest for _, _, earliest, _ in ends), in_order


def _days(chunk: pd.DataFrame, date: str, file: Path) -> pd.Series:
    return utc(chunk[date], file).dt.floor("D")
