"""Remaining useful life of units that were run to failure: a point, an interval, and a cautious point."""

from aftercast.models.kinds.remaining_life.model import (
    RemainingLifeModel,
    Training,
    train_and_check,
    train_remaining_life,
)
from aftercast.models.kinds.remaining_life.settings import RemainingLifeSettings

__all__ = ["RemainingLifeModel", "RemainingLifeSettings", "Training", "train_and_check", "train_remaining_life"]
