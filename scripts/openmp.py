"""Where the machine has no OpenMP runtime, let LightGBM use the one that scikit-learn's wheel carries."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

NAME = "libgomp.so.1"


def main(environment: Path) -> None:
    """Link the carried runtime into ``environment/lib/openmp`` unless the machine has its own."""
    if sys.platform != "linux":
        return
    try:
        ctypes.CDLL(NAME)
    except OSError:
        carried = sorted(environment.glob("lib/python*/site-packages/scikit_learn.libs/libgomp-*.so*"))
        if not carried:
            sys.exit("LightGBM needs the OpenMP runtime libgomp: install your system's package (Debian: libgomp1).")
        link = environment / "lib" / "openmp" / NAME
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(carried[0].resolve())
        sys.stdout.write(f"No OpenMP runtime here: linked {link}; outside make, set LD_LIBRARY_PATH to its folder.\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
