"""The commands that compare a commit with another one see every difference."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from benchmarks.bench_same_forecasts import compare
from benchmarks.bench_source_lines import counted

NAN = float("nan")
BEFORE = pd.DataFrame({"id": ["a", "b", "c"], "risk": [0.25, 0.5, NAN], "at": pd.to_datetime(["2025-01-01"] * 3)})


def test_equal_forecasts_are_the_same_and_a_missing_value_equals_a_missing_value() -> None:
    found = compare(BEFORE, BEFORE.copy())
    assert (found.same, found.cells, found.largest) == (True, 0, 0.0)


@pytest.mark.parametrize(
    ("now", "cells", "largest"),
    [
        (BEFORE.assign(risk=[0.25, 0.5000000000000001, NAN]), 1, 1.1102230246251565e-16),
        (BEFORE.assign(risk=[0.25, NAN, NAN]), 1, 0.0),
        (BEFORE.assign(id=["a", "b", "d"]), 1, 0.0),
        (BEFORE.iloc[[1, 0, 2]], 4, 0.25),
        (BEFORE.iloc[:2], 0, 0.0),
        (BEFORE[["risk", "id", "at"]], 0, 0.0),
        (BEFORE.assign(more=1), 0, 0.0),
    ],
    ids=["last digit", "missing", "text", "order of rows", "fewer rows", "order of columns", "another column"],
)
def test_any_difference_is_found(now: pd.DataFrame, cells: int, largest: float) -> None:
    found = compare(BEFORE, now)
    assert (found.same, found.cells, found.largest) == (False, cells, largest)


def test_lines_functions_and_cycles_are_counted_by_package(tmp_path: Path) -> None:
    package = tmp_path / "data" / "aftercast" / "data"
    (package / "audit").mkdir(parents=True)
    (package / "audit" / "one.py").write_text("from aftercast.data import two\n\n\ndef f():\n    return two\n")
    (package / "two.py").write_text("import aftercast.data.audit.one\n")
    (package / "three.py").write_text("def g():\n    import aftercast.data.two\n")
    found = counted(tmp_path)
    assert (found["operations"].files, found["operations"].functions, found["operations"].cycles) == ((5,), (2,), 1)
    assert (sorted(found["data"].files), found["data"].functions, found["data"].cycles) == ([1, 2], (2,), 1)
    assert found["tests"].lines == 0
