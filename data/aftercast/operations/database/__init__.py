"""The operational database: what was imported, forecast and listed, who may ask, and what waits.

Beside what opens it, each module has one table and its functions: ``keys``, ``inbox``, ``imports``, ``store_versions``,
``forecasts``, ``risk_lists``, ``flow_runs`` and ``audit_anchors``.
"""

from aftercast.operations.database.engine import (
    connect,
    local_address,
    open_database,
    schema_state,
    upgrade_schema,
)
from aftercast.operations.database.schema import SchemaState

__all__ = ["SchemaState", "connect", "local_address", "open_database", "schema_state", "upgrade_schema"]
