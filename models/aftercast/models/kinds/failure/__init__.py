"""Failure: which devices fail, and which component of theirs, within which time."""

from aftercast.models.kinds.failure.kind import FailureKind

__all__ = ["KIND", "FailureKind"]

KIND = FailureKind()
