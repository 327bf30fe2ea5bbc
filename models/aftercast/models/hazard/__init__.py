"""The hazard model: cause-specific discrete-time hazards, one LightGBM booster for each interval and component."""

from aftercast.models.hazard.model import HazardModel
from aftercast.models.hazard.risks import Risks, combine
from aftercast.models.hazard.schema import Schema
from aftercast.models.hazard.settings import HazardSettings

__all__ = ["HazardModel", "HazardSettings", "Risks", "Schema", "combine"]
