"""The audit log: entries of answers and changes, each bound to the one before it by its hash.

Appending is :class:`AuditLog`, the hashes kept in the database :func:`anchoring`, the check of both :func:`verify`.
"""

from aftercast.operations.audit.anchors import anchor_log, anchoring
from aftercast.operations.audit.chain_id import read_chain
from aftercast.operations.audit.lines import AuditError, Position
from aftercast.operations.audit.log import AuditLog
from aftercast.operations.audit.reading import export, newest_entries
from aftercast.operations.audit.verification import Finding, Verification, check_chain, verify

__all__ = [
    "AuditError",
    "AuditLog",
    "Finding",
    "Position",
    "Verification",
    "anchor_log",
    "anchoring",
    "check_chain",
    "export",
    "newest_entries",
    "read_chain",
    "verify",
]
