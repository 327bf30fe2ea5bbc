"""A snapshot as one parquet file of the workspace, so that the service answers without reading history.

Rows, what models say of them and what belongs to all rows lie in one file and are replaced in one step.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import TypeAdapter

from aftercast.features.scope import Feature
from aftercast.models.fit.base_rate_shift import Shift
from aftercast.models.hazard import Risks
from aftercast.models.scoring.parts import UsualParts
from aftercast.models.scoring.risk_arrays import Judged
from aftercast.models.scoring.snapshot import ALIGNED, Snapshot, tuples
from aftercast.operations.clocks import parse_time
from aftercast.operations.errors import ModelMismatchError, NotEnoughDataError

FORMAT: Final = 2
_META: Final = b"aftercast"
_ROW: Final = "__row_"
_JUDGED: Final = "__judged_"
_LISTS: Final = ("outlets", "out_of_range")
_NUMBERS: Final = ("data_as_of", "cutoff_us")


def save_snapshot(snapshot: Snapshot, path: Path) -> None:
    """Write a snapshot, replacing the earlier one in one step."""
    table = pa.Table.from_pandas(snapshot.features, preserve_index=False)
    for name in ALIGNED:
        table = table.append_column(f"{_ROW}{name}", _column(name, getattr(snapshot, name)))
    for number, found in enumerate(snapshot.judged.values()):
        for name, values in found.arrays.items():
            table = table.append_column(f"{_JUDGED}{number}_{name}", _fixed(values))
    about = {
        "format": FORMAT,
        "kind": snapshot.kind,
        "cutoff": snapshot.cutoff.isoformat(),
        "data_version": snapshot.data_version,
        "dictionary": [asdict(feature) for feature in snapshot.dictionary],
        "shifts": {version: asdict(shift) for version, shift in snapshot.shifts.items()},
        "parts": snapshot.parts.to_list(),
        "judged": [{"run_id": run_id, **_about(found)} for run_id, found in snapshot.judged.items()],
    }
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), _META: json.dumps(about).encode()})
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    pq.write_table(table, temporary)
    temporary.replace(path)


def load_snapshot(path: Path) -> Snapshot:
    """Read what :func:`save_snapshot` wrote.

    Raises
    ------
    NotEnoughDataError
        If nothing was scored yet.
    ModelMismatchError
        If the file was written by another version of aftercast, or is damaged.
    """
    if not path.is_file():
        raise NotEnoughDataError(
            "Nothing has been scored in this workspace yet, or its rows were lost.", "Run `aftercast score --again`."
        )
    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise ModelMismatchError(f"{path.name} cannot be read.", "Run `aftercast score --again`.") from error
    about = json.loads((table.schema.metadata or {}).get(_META, b"{}"))
    if about.get("format") != FORMAT:
        raise ModelMismatchError(
            f"{path.name} is not a snapshot of this version of aftercast.", "Run `aftercast score --again`."
        )
    features = [name for name in table.column_names if not name.startswith((_ROW, _JUDGED))]
    aligned = {name: _values(name, table[f"{_ROW}{name}"]) for name in ALIGNED}
    return Snapshot(
        kind=about["kind"],
        cutoff=parse_time(about["cutoff"]),
        data_version=about["data_version"],
        dictionary=tuple(Feature(**feature) for feature in about["dictionary"]),
        features=table.select(features).to_pandas(),
        parts=UsualParts.from_list(about["parts"]),
        shifts=TypeAdapter(dict[str, Shift]).validate_python(about["shifts"]),
        judged={each["run_id"]: _judged(each, number, table) for number, each in enumerate(about["judged"])},
        **aligned,
    )


def _column(name: str, values: npt.NDArray[Any]) -> pa.Array:
    if name in _LISTS:
        return pa.array([list(each) for each in values], pa.list_(pa.string()))
    return pa.array(values, pa.int64()) if name in _NUMBERS else pa.array([str(each) for each in values], pa.string())


def _values(name: str, column: pa.ChunkedArray) -> npt.NDArray[Any]:
    if name in _LISTS:
        return tuples([tuple(each) for each in column.to_pylist()])
    if name in _NUMBERS:
        return np.asarray(column.to_numpy(), dtype=np.int64)
    return np.array(column.to_pylist(), dtype=object)


def _about(found: Judged) -> dict[str, Any]:
    return {
        "horizons_us": found.risks.horizons_us.tolist(),
        "components": list(found.risks.components),
        "thresholds": [None if np.isnan(each) else each for each in found.thresholds.tolist()],
        "shapes": {name: list(values.shape[1:]) for name, values in found.arrays.items()},
    }


def _fixed(values: npt.NDArray[Any]) -> pa.Array:
    """Array of shape (n, ...) as lists of one length."""
    width = int(np.prod(values.shape[1:]))
    return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), width)


def _judged(about: dict[str, Any], number: int, table: pa.Table) -> Judged:
    arrays = {name: _unfixed(table[f"{_JUDGED}{number}_{name}"], shape) for name, shape in about["shapes"].items()}
    horizons_us, components = np.array(about["horizons_us"], dtype=np.int64), tuple(about["components"])
    risks = Risks(arrays.pop("probability"), arrays.pop("any_probability"), horizons_us, components)
    thresholds = np.array([np.nan if each is None else each for each in about["thresholds"]], dtype=np.float64)
    return Judged(risks, thresholds=thresholds, **arrays)


def _unfixed(column: pa.ChunkedArray, shape: Sequence[int]) -> npt.NDArray[Any]:
    values = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return np.asarray(values).reshape(len(column), *shape)
