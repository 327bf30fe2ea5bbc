"""Examples of a kind: who is at risk at which cutoff, with features and labels; how they are split and held out."""

from aftercast.models.examples.cases import Cases, build_cases
from aftercast.models.examples.entities import ENTITIES, Entity
from aftercast.models.examples.feature_list import described

__all__ = ["ENTITIES", "Cases", "Entity", "build_cases", "described"]
