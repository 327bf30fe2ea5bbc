"""Whether the forecasts of the README's backtests are those of an earlier commit, to the last digit."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from aftercast.operations.environment import real_data_folder

ROOT: Final = Path(__file__).parents[1]
ROOTS: Final = ("data", "features", "models", "pipelines", "serving")


@dataclass(frozen=True)
class Backtest:
    """One backtest of the README: the source of its workspace, where that lies in the public data, and its options."""

    name: str
    source: str
    data: str
    options: str


DRIVES: Final = "backblaze/drive_stats_2013-04-10_2013-05-09.parquet"
MACHINES: Final = "--train-until 2015-07-31 --test-from 2015-08-01"
BACKTESTS: Final = (
    Backtest("azure-24h", "azure-pdm", "azure_pdm", f"{MACHINES} --test-until 2015-09-30 --horizon 24h"),
    Backtest("azure-7d", "azure-pdm", "azure_pdm", f"{MACHINES} --test-until 2015-09-24 --horizon 7d"),
    Backtest("azure-14d", "azure-pdm", "azure_pdm", f"{MACHINES} --test-until 2015-09-17 --horizon 14d"),
    Backtest("azure-30d", "azure-pdm", "azure_pdm", f"{MACHINES} --test-until 2015-09-01 --horizon 30d"),
    Backtest(
        "drives",
        "backblaze",
        DRIVES,
        "--train-until 2013-04-25 --test-from 2013-04-25 --test-until 2013-05-02 --horizon 7d --retrain daily",
    ),
)


@dataclass(frozen=True)
class Difference:
    """How far two tables of forecasts are apart.

    Attributes
    ----------
    rows, columns
        Before and now.
    cells
        Cells that differ; a missing value equals a missing value.
    largest
        Largest difference of two numbers, 0 where none differ.
    """

    rows: tuple[int, int]
    columns: tuple[tuple[str, ...], tuple[str, ...]]
    cells: int
    largest: float

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return self.rows[0] == self.rows[1] and self.columns[0] == self.columns[1] and self.cells == 0


def compare(before: pd.DataFrame, now: pd.DataFrame) -> Difference:
    """Compare two tables cell by cell, in the order of their rows; tables of other sizes only by their sizes.

    >>> was = pd.DataFrame({"id": ["a", "b"], "risk": [0.25, None]})
    >>> compare(was, was.copy()).same
    True
    >>> compare(was, was.assign(risk=[0.5, None])).largest
    0.25
    """
    columns = tuple(map(str, before.columns)), tuple(map(str, now.columns))
    cells, largest = 0, 0.0
    for name in (each for each in columns[0] if each in columns[1] and len(before) == len(now)):
        old, new = before[name].reset_index(drop=True), now[name].reset_index(drop=True)
        missing = old.isna() & new.isna()
        other = ~missing & ~(old.astype(object) == new.astype(object))
        cells += int(other.sum())
        if other.any() and all(pd.api.types.is_float_dtype(each) for each in (old, new)):
            largest = max(largest, float(np.nanmax(np.append(0.0, (old - new).abs()))))
    return Difference((len(before), len(now)), columns, cells, largest)


def run_backtests(tree: Path, data: Path, folder: Path, names: list[str]) -> dict[str, Path]:
    """Run the backtests with the source of a tree; returns where the forecasts of each lie."""
    found: dict[str, Path] = {}
    for asked in (each for each in BACKTESTS if each.name in names):
        workspace = folder / asked.source
        if not workspace.exists():
            _run(tree, "init", workspace, "--source", data / asked.data, "--kind", asked.source)
            _run(tree, "import", asked.source, data / asked.data, "--workspace", workspace)
        found[asked.name] = folder / f"{asked.name}.parquet"
        forecasts = ("--forecasts", found[asked.name], "--workspace", workspace)
        _run(tree, "backtest", "failure", *asked.options.split(), *forecasts)
    return found


def _run(tree: Path, *words: str | Path) -> None:
    project = tomllib.loads((tree / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    module, _, function = project["scripts"]["aftercast"].partition(":")
    command = [sys.executable, "-c", f"from {module} import {function}; {function}()", *map(str, words)]
    paths = os.pathsep.join(str(tree / root) for root in ROOTS)
    print(f"{tree.name}: aftercast {' '.join(map(str, words))}", flush=True)
    subprocess.run(command, cwd=tree, env={**os.environ, "PYTHONPATH": paths}, check=True, stdout=subprocess.DEVNULL)


@contextmanager
def checked_out(revision: str, folder: Path) -> Iterator[Path]:
    """Source of a revision in a folder beside the checkout, gone afterwards."""
    tree = folder / f"tree-{revision}"
    subprocess.run(["git", "worktree", "add", "--quiet", "--detach", str(tree), revision], cwd=ROOT, check=True)
    try:
        yield tree
    finally:
        subprocess.run(["git", "worktree", "remove", "--force", str(tree)], cwd=ROOT, check=True)


def show(found: dict[str, Difference]) -> bool:
    """Print a line for each comparison; returns whether all are the same."""
    table = Table("forecasts", "rows", "columns", "other cells", "largest difference", title="before and now")
    for name, each in found.items():
        rows, (old, new) = each.rows, each.columns
        sizes = f"{rows[0]:,}" if rows[0] == rows[1] else f"{rows[0]:,} and {rows[1]:,}"
        extra = sorted({*old} ^ {*new})
        columns = f"{len(old)}" if old == new else f"{len(old)} and {len(new)}: {', '.join(extra) or 'other order'}"
        table.add_row(name, sizes, columns, f"{each.cells:,}", f"{each.largest:g}")
    Console(width=120).print(table)
    return all(each.same for each in found.values())


def main() -> None:
    """Compare two files, or run the backtests at a revision and now and compare those; exit 1 on any difference."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks same-forecasts", description=__doc__)
    parser.add_argument("--before", metavar="REV", help="commit whose forecasts are right")
    parser.add_argument("--files", nargs=2, type=Path, metavar=("BEFORE", "NOW"), help="compare these files alone")
    names = [each.name for each in BACKTESTS]
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names))
    asked = parser.parse_args()
    if asked.files:
        before, now = map(pd.read_parquet, asked.files)
        sys.exit(0 if show({asked.files[1].name: compare(before, now)}) else 1)
    data = real_data_folder()
    if asked.before is None or data is None:
        parser.error("name --files, or --before with the public data in AFTERCAST_REAL_DATA")
    with tempfile.TemporaryDirectory(prefix="same-forecasts-") as made:
        folder = Path(made)
        with checked_out(asked.before, folder) as tree:
            old = run_backtests(tree, data.resolve(), folder / "before", asked.only)
        new = run_backtests(ROOT, data.resolve(), folder / "now", asked.only)
        same = show({name: compare(pd.read_parquet(old[name]), pd.read_parquet(new[name])) for name in old})
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
