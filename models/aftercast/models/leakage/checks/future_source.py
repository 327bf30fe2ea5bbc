"""A value whose source is dated after the cutoff, or a date that lies after it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from aftercast.features.replay.report import Finding
from aftercast.models.aliases import Ints
from aftercast.models.leakage.panel import Panel
from aftercast.operations.clocks import DAY_US, NEVER, from_us, to_us

NAME = "future_source"


def find(panel: Panel) -> Iterator[Finding]:
    """Columns with a source, or a date of their own, after the cutoff."""
    for name, moments in panel.sources.items():
        yield from _dated(panel, name, moments, "its source became known")
    for name in panel.names:
        if isinstance(panel.features[name].dtype, pd.DatetimeTZDtype):
            yield from _dated(panel, name, to_us(panel.features[name]), "the date it holds lies")


def blind(panel: Panel) -> str:
    """Sources must be given."""
    return "" if panel.sources else "only columns of dates: no sources of columns were given"


def _dated(panel: Panel, name: str, moments: Ints, what: str) -> Iterator[Finding]:
    later = (moments != NEVER) & (moments > panel.cutoffs)
    if not later.any():
        return
    days = (moments[later] - panel.cutoffs[later]) / DAY_US
    row = int(np.flatnonzero(later)[np.argmax(days)])
    reason = f"{what} after the cutoff in {later.sum()} of {len(later)} rows, up to {days.max():.3g} days."
    example = {
        "id": str(panel.examples.ids[row]),
        "cutoff": from_us(panel.cutoffs[[row]])[0].isoformat(),
        "found": from_us(moments[[row]])[0].isoformat(),
    }
    figures = {"rows": len(later), "later": int(later.sum()), "days_most": float(days.max())}
    yield Finding(NAME, name, "stop", reason, figures, example)
