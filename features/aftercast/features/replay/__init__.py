"""Proof that features read nothing later than their cutoff: rows rebuilt from a cut store, and poisoned records."""

from aftercast.features.replay.clocks import lint_clocks
from aftercast.features.replay.rebuild import lint_replay
from aftercast.features.replay.report import Finding, LeakageReport, Severity

__all__ = ["Finding", "LeakageReport", "Severity", "lint_clocks", "lint_replay"]
