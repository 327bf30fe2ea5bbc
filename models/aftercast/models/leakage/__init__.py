"""The leakage gate: which feature knows something that could not be known at its cutoff, and why."""

from aftercast.models.leakage.columns import lint_columns
from aftercast.models.leakage.gate import lint_store, too_good
from aftercast.models.leakage.settings import LeakageSettings

__all__ = ["LeakageSettings", "lint_columns", "lint_store", "too_good"]
