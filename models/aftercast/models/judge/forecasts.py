"""Forecasts of a backtest with what became of them: in memory, and as a Parquet file that can be compared later."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from aftercast.models.aliases import Floats
from aftercast.models.metrics.evaluation import Truth
from aftercast.operations.clocks import NEVER, from_us
from aftercast.operations.errors import InputError

COLUMNS: Final = ("id", "cutoff", "component", "model", "probability", "threshold", "event", "known", "failed_at")
NUMBERS: Final = ("horizon_us", "every_us", "act_within_us")
META: Final = b"aftercast"
TIME: Final = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True)
class Forecasts:
    """What every model said of the test rows.

    Attributes
    ----------
    values
        Model -> probabilities and thresholds, both shape (n, C + 1); last column any component. A threshold is NaN
        where there is none.
    """

    kind: str
    truth: Truth
    values: Mapping[str, tuple[Floats, Floats]]

    def frame(self) -> pd.DataFrame:
        """One row per (id, cutoff, component, model).

        Returns
        -------
        pandas.DataFrame
            id, cutoff (UTC), component (a name or "all"), model, probability, threshold (NaN without one), event
            (whether it fails within the horizon), known (whether that is known), failed_at (UTC, NaT without event).
        """
        return pd.concat(
            [self._part(model, i, name) for model in self.values for i, name in enumerate(self.truth.names)],
            ignore_index=True,
        ).astype({"component": "category", "model": "category"})

    def _part(self, model: str, i: int, name: str) -> pd.DataFrame:
        rows, (probability, threshold) = self.truth.rows(name), self.values[model]
        failed = np.full(len(rows.owner), NEVER)
        failed[rows.event] = rows.failure_us[rows.failure[rows.event]]
        return pd.DataFrame(
            {
                "id": pd.Series(self.truth.examples.ids, dtype="str"),
                "cutoff": from_us(rows.cutoff_us),
                "component": name,
                "model": model,
                "probability": probability[:, i],
                "threshold": threshold[:, i],
                "event": rows.event,
                "known": rows.known,
                "failed_at": from_us(failed),
            }
        )

    def write(self, path: Path) -> None:
        """Write as Parquet; horizon, time between cutoffs and time to act (microseconds) are in its metadata."""
        meta = {name: getattr(self.truth, name) for name in NUMBERS} | {"kind": self.kind}
        frame = self.frame()
        table = pa.table({name: _column(frame[name]) for name in COLUMNS})
        write_rows(table, meta, path)


def _column(values: pd.Series[Any]) -> pa.Array:
    """Arrow array; times as microseconds UTC, missing ones as null."""
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        moments = pd.DatetimeIndex(values)
        return pa.array(moments.asi8, mask=np.asarray(moments.isna())).cast(TIME)
    return pa.array(values)


@dataclass(frozen=True)
class ForecastFile:
    """One model's forecasts read from a file.

    Attributes
    ----------
    label
        How to name them: the file and the model.
    frame
        As :meth:`Forecasts.frame` gives it, sorted by component, id and cutoff.
    meta
        kind, horizon_us, every_us, act_within_us.
    """

    label: str
    frame: pd.DataFrame
    meta: Mapping[str, Any]


def read_forecasts(path: Path, model: str) -> ForecastFile:
    """Read one model's forecasts.

    Raises
    ------
    InputError
        If the file is none of forecasts, or does not hold the model.
    """
    frame, meta = rows_of_model(path, model, COLUMNS)
    chosen = frame.astype({"component": "str", "id": "str"})
    ordered = chosen.sort_values(["component", "id", "cutoff"], ignore_index=True)
    return ForecastFile(f"{path.name}:{model}", ordered, meta)


def write_rows(table: pa.Table, meta: Mapping[str, Any], path: Path) -> None:
    """Write rows of forecasts as Parquet, with what belongs to all of them in the metadata."""
    pq.write_table(table.replace_schema_metadata({META: json.dumps(meta).encode()}), path, compression="zstd")


def rows_of_model(path: Path, model: str, columns: Collection[str]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Rows of one model in what :func:`write_rows` wrote, and its metadata.

    Raises
    ------
    InputError
        If the file is none of a backtest with these columns, or does not hold the model.
    """
    mend = "Write one with `aftercast backtest KIND --forecasts FILE.parquet`."
    if not path.is_file():
        raise InputError(f"There is no file {path}.", mend)
    try:
        table = pq.read_table(path)
    except pa.ArrowInvalid as error:
        raise InputError(f"{path} is no Parquet file.", mend) from error
    meta = (table.schema.metadata or {}).get(META)
    if meta is None or not set(columns) <= set(table.column_names):
        raise InputError(f"{path} holds no forecasts of such a backtest.", mend)
    frame = table.to_pandas()
    rows = frame[frame["model"] == model]
    if rows.empty:
        raise InputError(f"{path} holds no model '{model}'.", f"It holds {', '.join(sorted(set(frame['model'])))}.")
    return rows, json.loads(meta)
