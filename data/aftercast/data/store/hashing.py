"""Stable 64-bit hashes of cells, rows and ids: the same on every machine, in every process and release."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from aftercast.data.arrays import Hashes, Ints, Mask


def hash_text(text: str) -> int:
    """Hash of one text, unsigned 64 bits (BLAKE2b)."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def mix(values: Hashes) -> Hashes:
    """Scramble 64-bit words one to one (the finaliser of SplitMix64: Steele, Lea & Flood, 2014), shape (n,)."""
    mixed = values + np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(30)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return mixed


def hash_cells(values: pd.Series) -> Hashes:
    """Hash of every cell, shape (n,); what a missing cell gets has no meaning."""
    if pd.api.types.is_bool_dtype(values.dtype):
        return mix(np.asarray(values.fillna(value=False), dtype=np.uint64))
    if pd.api.types.is_numeric_dtype(values.dtype):
        numbers = np.asarray(values.to_numpy(dtype=np.float64, na_value=np.nan)) + 0.0  # -0.0 becomes 0.0
        return mix(numbers.view(np.uint64))
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return mix(pd.DatetimeIndex(values).as_unit("us").asi8.view(np.uint64))
    codes, texts = pd.factorize(values)
    hashes = np.array([hash_text(str(text)) for text in texts] + [0], dtype=np.uint64)
    return mix(hashes[codes])


def hash_rows(frame: pd.DataFrame, columns: Sequence[str]) -> Hashes:
    """Hash of the non-missing cells of every row, shape (n,).

    A missing cell adds nothing, so a row keeps its hash when the table gains columns; the order of columns does
    not matter either.
    """
    total = np.zeros(len(frame), dtype=np.uint64)
    for name in columns:
        cells = mix(hash_cells(frame[name]) ^ np.uint64(hash_text(name)))
        total += np.where(np.asarray(frame[name].isna()), np.uint64(0), cells)
    return mix(total)


def among(hashes: Hashes | Ints, others: Hashes | Ints) -> Mask:
    """Whether each hash is one of the others, shape (n,); by a table of hashes, which is faster than sorting both."""
    return np.asarray(pd.Series(hashes).isin(pd.Series(others)), dtype=bool)


def bucket_of(device_ids: Sequence[str] | npt.NDArray[np.str_] | pd.Series, buckets: int) -> npt.NDArray[np.int32]:
    """Bucket of each device, shape (n,): hash of its id modulo the number of buckets."""
    codes, ids = pd.factorize(pd.Series(device_ids, dtype="str"))
    found = np.array([hash_text(str(text)) % buckets for text in ids], dtype=np.int32)
    return found[codes] if len(found) > 0 else np.zeros(0, dtype=np.int32)
