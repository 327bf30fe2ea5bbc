"""The leakage linter: which feature knows what could not be known at its cutoff, and why."""

from aftercast.features.leakage.clocks import lint_clocks
from aftercast.features.leakage.columns import lint_columns
from aftercast.features.leakage.replay import lint_replay
from aftercast.features.leakage.report import Finding, LeakageReport, Severity
from aftercast.features.leakage.settings import LeakageSettings

__all__ = ["Finding", "LeakageReport", "LeakageSettings", "Severity", "lint_clocks", "lint_columns", "lint_replay"]
