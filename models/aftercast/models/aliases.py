"""Names of types that the whole package uses: arrays by what they hold, and how a long work reports its progress.

Arrays know how they are saved as JSON (see ``registry.saved_json``): every digit is kept, a missing number is null.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeAlias

import numpy as np
import numpy.typing as npt
from pydantic import PlainSerializer, PlainValidator


def _listed(values: npt.NDArray[Any]) -> list[Any]:
    found = values.astype(object)
    found[np.isnan(values)] = None
    return list(found.tolist())


Floats: TypeAlias = Annotated[
    npt.NDArray[np.float64],
    PlainValidator(lambda values: np.array(values, dtype=np.float64)),
    PlainSerializer(_listed),
]
Ints: TypeAlias = Annotated[
    npt.NDArray[np.int64],
    PlainValidator(lambda values: np.array(values, dtype=np.int64)),
    PlainSerializer(_listed),
]
Mask: TypeAlias = npt.NDArray[np.bool_]
Progress: TypeAlias = Callable[[str, int], None]
"""Takes what is done and a count; called now and then."""
