"""``python -m benchmarks`` lists the benchmarks; ``python -m benchmarks NAME`` runs one."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
import sys
from pathlib import Path
from types import ModuleType

PREFIX = "bench_"


def names() -> list[str]:
    """Benchmarks of this folder, by file name with dashes."""
    found = (module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]))
    return sorted(name.removeprefix(PREFIX).replace("_", "-") for name in found if name.startswith(PREFIX))


def module_of(name: str) -> ModuleType:
    """Module of a benchmark."""
    return importlib.import_module(f"benchmarks.{PREFIX}{name.replace('-', '_')}")


def about(name: str) -> str:
    """First line of a benchmark's docstring."""
    text = module_of(name).__doc__ or ""
    return text.strip().splitlines()[0]


def main(words: list[str]) -> int:
    """List, or run the benchmark named first with the words after it."""
    if not words:
        for name in names():
            print(f"make bench-{name:<15} {about(name)}")
        return 0
    name = words[0].replace("_", "-")
    if name not in names():
        near = difflib.get_close_matches(name, names(), n=1, cutoff=0.3)
        print(f"There is no benchmark '{name}'; did you mean '{(near or names())[0]}'?", file=sys.stderr)
        return 2
    sys.argv = [f"bench_{name}", *words[1:]]
    module_of(name).main()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
