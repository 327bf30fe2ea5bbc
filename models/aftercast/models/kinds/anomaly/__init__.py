"""Anomaly: how unusual a device is, at a rate of alarms that is held; for fleets with too few failures."""

from aftercast.models.kinds.anomaly.kind import AnomalyKind

KIND = AnomalyKind()
