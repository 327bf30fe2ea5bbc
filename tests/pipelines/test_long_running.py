"""The commands that run for months decide on their memory before a library has decided for them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

STARTED = """
import sys
from aftercast.cli.main import run
try:
    run([sys.argv[1], "-w", sys.argv[2] + "/nowhere"])
except SystemExit as left:
    assert left.code == 2
import pyarrow, pyarrow.dataset, pyarrow.parquet
pyarrow.parquet.write_table(pyarrow.table({"a": list(range(1000))}), sys.argv[2] + "/table.parquet")
pyarrow.dataset.dataset(sys.argv[2] + "/table.parquet").to_table()
others = [each for each in pyarrow.supported_memory_backends() if each != "system"]
print(sum(getattr(pyarrow, f"{each}_memory_pool")().max_memory() for each in others))
"""


@pytest.mark.parametrize("command", ["serve", "drain"])
def test_arrow_reads_files_without_its_own_allocator(tmp_path: Path, command: str) -> None:
    bare = {name: value for name, value in os.environ.items() if name != "ARROW_DEFAULT_MEMORY_POOL"}
    code = [sys.executable, "-c", STARTED, command, str(tmp_path)]
    done = subprocess.run(code, env=bare, capture_output=True, text=True, check=True)
    assert int(done.stdout) == 0, "bytes"
