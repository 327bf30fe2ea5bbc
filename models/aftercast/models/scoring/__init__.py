"""Scoring a fleet: its feature rows at one cutoff, what a model says of them, and how that is stored."""

from aftercast.models.scoring.fleet import judge, with_judgement, with_shift
from aftercast.models.scoring.forecast_store import make_forecasts, most_urgent, store_forecasts, stored_forecasts
from aftercast.models.scoring.snapshot import Snapshot, take_snapshot

__all__ = [
    "Snapshot",
    "judge",
    "make_forecasts",
    "most_urgent",
    "store_forecasts",
    "stored_forecasts",
    "take_snapshot",
    "with_judgement",
    "with_shift",
]
