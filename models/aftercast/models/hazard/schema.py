"""Schema: which columns a model was trained on, and how a frame of them becomes the matrix its boosters read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from aftercast.operations.errors import ModelMismatchError

Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Schema:
    """Columns in the order of training.

    Attributes
    ----------
    names
        All columns, shape (f,).
    categories
        Of each text column its values in training; another value counts as missing, so that a new hardware
        generation is judged by everything else that is known.
    """

    names: tuple[str, ...]
    categories: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, features: pd.DataFrame) -> Schema:
        """Return the schema of a feature frame."""
        texts = [str(name) for name, dtype in features.dtypes.items() if isinstance(dtype, pd.CategoricalDtype)]
        found = {name: tuple(str(value) for value in features[name].cat.categories) for name in texts}
        return cls(tuple(str(name) for name in features.columns), found)

    @property
    def categorical(self) -> list[int]:
        """Positions of the text columns."""
        return [i for i, name in enumerate(self.names) if name in self.categories]

    def matrix(self, features: pd.DataFrame) -> Matrix:
        """Matrix of a frame, shape (n, f); missing and unknown values are NaN, texts are the numbers of their category.

        Raises
        ------
        ModelMismatchError
            If columns are missing or more than the model knows.
        """
        self._check(features)
        out = np.empty((len(features), len(self.names)), dtype=np.float32)
        for i, name in enumerate(self.names):
            out[:, i] = self._codes(features, name) if name in self.categories else features[name].to_numpy(np.float32)
        return out

    def _codes(self, features: pd.DataFrame, name: str) -> Matrix:
        values = features[name].astype(object).to_numpy()
        codes = pd.Index(self.categories[name], dtype=object).get_indexer(pd.Index(values, dtype=object))
        return np.where(codes < 0, np.nan, codes).astype(np.float32)

    def _check(self, features: pd.DataFrame) -> None:
        given = {str(name) for name in features.columns}
        missing, extra = [n for n in self.names if n not in given], sorted(given - set(self.names))
        if missing or extra:
            words = [
                f"{len(found)} {what} (first '{found[0]}')"
                for what, found in (("missing", missing), ("unknown", extra))
                if found
            ]
            raise ModelMismatchError(
                f"The features are not those the model was trained on: {', '.join(words)}.",
                "Train again, or undo the change to fleet.toml or the views.",
            )
