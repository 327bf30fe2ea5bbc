"""Customers who refused to be learnt from: no churn training sees them, forecasts of them go on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from aftercast.data.store import Store
from aftercast.models.examples.cases import Cases

Ids = npt.NDArray[np.str_]


def customers_who_refused(store: Store, *, version: int, known_at: pd.Timestamp) -> Ids:
    """Customers whose last word on ``consent_training`` known at an instant was no.

    A later version of a customer that says nothing about it changes nothing.
    """
    columns = ["customer_id", "consent_training", "available_at"]
    said = store.read("customers", version=version, known_at=known_at, columns=columns).dropna()
    last = said.sort_values("available_at", kind="stable").drop_duplicates("customer_id", keep="last")
    return last.loc[~last["consent_training"].astype(bool), "customer_id"].to_numpy(dtype=np.str_)


def without(cases: Cases, refused: Ids) -> Cases:
    """Cases of all others; the same where nobody refused."""
    return cases.take(~np.isin(cases.examples.ids, refused)) if len(refused) > 0 else cases
