"""Tables whose times were cut to whole days: what happened during a day then seems known at its first instant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from aftercast.data.contract import TABLES
from aftercast.features.history import Frames
from aftercast.features.replay.report import Finding, LeakageReport
from aftercast.operations.clocks import DAY_US, to_us

NAME: Final = "inclusive_cutoff"
LEAST_RECORDS: Final = 20
SHARE: Final = 0.99


def lint_clocks(frames: Frames) -> LeakageReport:
    """Warn of tables of events dated at 00:00 and known then: a cutoff at that instant reads what came after it."""
    findings = list(_rounded(frames))
    looked_at = ", ".join(f"{name} {len(frame)}" for name, frame in sorted(frames.items()))
    return LeakageReport.of(findings, {"clocks of tables": f"records: {looked_at}"}, ())


def _rounded(frames: Frames) -> Iterator[Finding]:
    for name, frame in sorted(frames.items()):
        event = TABLES[name].event_time
        if event is None or len(frame) < LEAST_RECORDS:
            continue
        at = to_us(frame[event])
        early = (at % DAY_US == 0) & (to_us(frame["available_at"]) == at)
        share = float(np.mean(early))
        if share >= SHARE:
            reason = (
                f"{share:.0%} of its {len(frame)} records are dated at 00:00 and known at that instant: if only their "
                "day is known they happened after a cutoff at 00:00, and must be available a day later."
            )
            yield Finding(NAME, f"table {name}", "warning", reason, {"records": len(frame), "share": share})
