"""Models kept: MLflow runs, registered versions, the champion, and a copy for times without a registry."""

from aftercast.models.registry.runs import log_training
from aftercast.models.registry.versions import (
    Loaded,
    Version,
    champion_version,
    load_champion,
    promote,
    promote_by_hand,
    register,
)

__all__ = [
    "Loaded",
    "Version",
    "champion_version",
    "load_champion",
    "log_training",
    "promote",
    "promote_by_hand",
    "register",
]
