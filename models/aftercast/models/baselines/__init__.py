"""Baselines every report stands beside; each file of this folder holds one as ``BASELINE`` and is discovered."""

from aftercast.models.baselines.base import Baseline, BaselineData, Fitted, baselines, outcomes

__all__ = ["Baseline", "BaselineData", "Fitted", "baselines", "outcomes"]
