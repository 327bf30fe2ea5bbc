from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ARENAS = """
import ctypes, re, sys, threading
from aftercast.operations.memory import limit_held_memory
if sys.argv[1] == "shared":
    limit_held_memory()
gate = threading.Barrier(9)
def allocate():
    ctypes.CDLL(None).malloc(1000)
    gate.wait()
    gate.wait()
threads = [threading.Thread(target=allocate) for _ in range(8)]
for each in threads: each.start()
gate.wait()
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
out = libc.fopen(sys.argv[2].encode(), b"w")
libc.malloc_info(0, ctypes.c_void_p(out))
libc.fclose(ctypes.c_void_p(out))
gate.wait()
print(len(re.findall("<heap nr", open(sys.argv[2]).read())))
"""


def _arenas(how: str, file: str) -> int:
    bare = {name: value for name, value in os.environ.items() if name != "MALLOC_ARENA_MAX"}
    done = subprocess.run(
        [sys.executable, "-c", ARENAS, how, file], env=bare, capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="arenas are glibc's")
def test_threads_share_two_arenas(tmp_path_factory: pytest.TempPathFactory) -> None:
    file = str(tmp_path_factory.mktemp("arenas") / "malloc.xml")
    assert _arenas("as they are", file) > 2
    assert _arenas("shared", file) <= 2


ARROW = """
import sys
if sys.argv[1] == "late":
    import pyarrow
from aftercast.operations.memory import limit_held_memory
limit_held_memory()
import pyarrow, pyarrow.dataset, pyarrow.parquet
pyarrow.parquet.write_table(pyarrow.table({"a": list(range(1000))}), sys.argv[2])
pyarrow.dataset.dataset(sys.argv[2]).to_table()
others = [each for each in pyarrow.supported_memory_backends() if each != "system"]
print(pyarrow.default_memory_pool().backend_name, sum(
    getattr(pyarrow, f"{each}_memory_pool")().max_memory() for each in others))
"""


@pytest.mark.parametrize("when", ["first", "late"])
def test_arrow_allocates_there_too(tmp_path: Path, when: str) -> None:
    bare = {name: value for name, value in os.environ.items() if name != "ARROW_DEFAULT_MEMORY_POOL"}
    command = [sys.executable, "-c", ARROW, when, str(tmp_path / "table.parquet")]
    done = subprocess.run(command, env=bare, capture_output=True, text=True, check=True)
    default, by_others = done.stdout.split()
    assert default == "system"
    assert when == "late" or int(by_others) == 0, "bytes that Arrow took elsewhere while it read"


GIVEN_BACK = """
import ctypes
from aftercast.operations.memory import give_back_memory
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
def resident():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmRSS")).split()[1])
held = [libc.malloc(100_000) for _ in range(500)]
for each in held: ctypes.memset(ctypes.c_void_p(each), 1, 100_000)
for each in held[:-1]: libc.free(ctypes.c_void_p(each))  # the last one keeps the heap from shrinking by itself
before = resident()
give_back_memory()
print(before - resident())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's")
def test_freed_pages_go_back_although_one_behind_them_is_held() -> None:
    done = subprocess.run([sys.executable, "-c", GIVEN_BACK], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 40_000, "kilobytes of the 48,828 that were freed"
