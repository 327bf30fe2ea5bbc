"""Numbers for purchases that come without an id: those of a customer at one instant, in the order of their file.

The same file gives the same numbers again, and so does a later export that holds the purchase.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd


class PurchaseNumbers:
    """Numbers given so far in the file that is being read."""

    def __init__(self) -> None:
        self._origin = ""
        self._given: Counter[str] = Counter()

    def fill(self, table: str, frame: pd.DataFrame, origin: str) -> pd.DataFrame:
        """Return typed rows with a ``purchase_id`` each; rows of other tables as they are."""
        if table != "purchases":
            return frame
        if origin != self._origin:
            self._origin, self._given = origin, Counter()
        ids = (
            frame["purchase_id"] if "purchase_id" in frame.columns else pd.Series(pd.NA, index=frame.index, dtype="str")
        )
        nameless = np.flatnonzero(ids.isna())
        if len(nameless) == 0:
            return frame
        rows = frame.iloc[nameless]
        said = rows["customer_id"].astype("str") + " " + rows["event_time"].dt.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        before = said.map(self._given).astype("int64")
        numbers = (before + said.groupby(said).cumcount() + 1).astype("str")
        self._given.update(said.tolist())
        return frame.assign(purchase_id=ids.astype("object").where(ids.notna(), said + " " + numbers).astype("str"))
