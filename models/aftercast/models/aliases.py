"""Names of types that the whole package uses: arrays by what they hold, and how a long work reports its progress."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Mask: TypeAlias = npt.NDArray[np.bool_]
Progress: TypeAlias = Callable[[str, int], None]
"""Takes what is done and a count; called now and then."""
