"""Churn: which customers leave within which time."""

from aftercast.models.kinds.churn.kind import ChurnKind

KIND = ChurnKind()
