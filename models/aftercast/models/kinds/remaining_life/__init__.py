"""Remaining life: how many cycles are left to a running unit, where units are run to failure."""

from aftercast.models.kinds.remaining_life.kind import RemainingLifeKind

KIND = RemainingLifeKind()
