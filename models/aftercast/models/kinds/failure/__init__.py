"""Failure: which devices fail, and which component of theirs, within which time."""

from aftercast.models.kinds.failure.kind import FailureKind

KIND = FailureKind()
