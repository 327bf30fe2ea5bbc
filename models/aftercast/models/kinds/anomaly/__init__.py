"""Anomaly view: how unusual a device is, at a rate of alarms that is held; for fleets with too few failures."""

from aftercast.models.kinds.anomaly.episodes import AlarmRate
from aftercast.models.kinds.anomaly.ignored import impossible_readings
from aftercast.models.kinds.anomaly.persistence import load_anomaly_view, save_anomaly_view
from aftercast.models.kinds.anomaly.sentences import Deviating
from aftercast.models.kinds.anomaly.settings import AnomalySettings
from aftercast.models.kinds.anomaly.view import AnomalyView, fit_anomaly_view

__all__ = [
    "AlarmRate",
    "AnomalySettings",
    "AnomalyView",
    "Deviating",
    "fit_anomaly_view",
    "impossible_readings",
    "load_anomaly_view",
    "save_anomaly_view",
]
