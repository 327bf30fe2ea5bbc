"""Rows of many files by day: days come in order whatever the files are called and however they overlap.

Files are opened when their first day is due, so that a year of daily files is never in memory at once. A file whose
own days are not in order is read whole.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class _Survey:
    first: pd.Timestamp
    in_order: bool


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
    surveys = [_survey(file, date) for file in files]
    due = sorted(range(len(files)), key=lambda number: (surveys[number].first, number), reverse=True)
    opened: list[tuple[pd.Timestamp, int, Piece, Iterator[Piece]]] = []
    while due or opened:
        while due and (not opened or surveys[due[-1]].first <= opened[0][0]):
            number = due.pop()
            _push(opened, number, _pieces(files[number], date, surveys[number], required, text))
        yield _pop_day(opened)


def _push(opened: list[tuple[pd.Timestamp, int, Piece, Iterator[Piece]]], number: int, pieces: Iterator[Piece]) -> None:
    piece = next(pieces, None)
    if piece is not None:
        heapq.heappush(opened, (piece.date, number, piece, pieces))


def _pop_day(opened: list[tuple[pd.Timestamp, int, Piece, Iterator[Piece]]]) -> list[Piece]:
    day, found = opened[0][0], []
    while opened and opened[0][0] == day:
        _, number, piece, pieces = heapq.heappop(opened)
        found.append(piece)
        _push(opened, number, pieces)
    return found


def _survey(file: Path, date: str) -> _Survey:
    chunks = (_days(chunk, date, file) for chunk in read_chunks(file, required=(date,), columns=(date,)))
    ends = [(days.iloc[0], days.iloc[-1], days.min(), days.is_monotonic_increasing) for days in chunks]
    turns = [day for first, last, _, _ in ends for day in (first, last)]
    in_order = turns == sorted(turns) and all(monotonic for *_, monotonic in ends)
    return _Survey(min(earliest for _, _, earliest, _ in ends), in_order)


def _days(chunk: pd.DataFrame, date: str, file: Path) -> pd.Series:
    return utc(chunk[date], file).dt.floor("D")


def _pieces(file: Path, date: str, survey: _Survey, required: Sequence[str], text: Sequence[str]) -> Iterator[Piece]:
    """Days of one file ascending; a day that continues in the next chunk is joined."""
    chunks = read_chunks(file, required=required, typed=True, text=text)
    if not survey.in_order:
        whole = pd.concat(list(chunks))
        chunks = iter([whole.loc[_days(whole, date, file).sort_values(kind="stable").index]])
    held: Piece | None = None
    for chunk in chunks:
        for day, rows in chunk.groupby(_days(chunk, date, file), sort=True):
            piece = Piece(pd.Timestamp(day), file, rows)
            if held is not None and held.date == piece.date:
                piece = Piece(held.date, file, pd.concat([held.rows, rows]))
            elif held is not None:
                yield held
            held = piece
    if held is not None:
        yield held
