"""One history table as a Delta table: create, append, rewind, scan. Nothing here is ever deleted from disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable, PostCommitHookProperties, WriterProperties, write_deltalake

CONFIGURATION: Final = {
    # Every version stays readable: neither old files nor old log entries expire.
    "delta.enableExpiredLogCleanup": "false",
    "delta.logRetentionDuration": "interval 36500 days",
    "delta.deletedFileRetentionDuration": "interval 36500 days",
}
STATISTICS: Final = ("device_id", "customer_id", "event_time", "available_at")
ROWS_PER_GROUP: Final = 131_072
HOOKS: Final = PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=False)
WRITER: Final = WriterProperties(compression="ZSTD", compression_level=1, max_row_group_size=ROWS_PER_GROUP)


@dataclass(frozen=True)
class DeltaHistory:
    """A Delta table at an address (folder or object store).

    Attributes
    ----------
    partition
        Column the files are split by, None for one part.
    """

    address: str
    partition: str | None = None

    def latest(self) -> int | None:
        """Newest version of the files, published or not; None where the table does not exist."""
        if "://" not in self.address and not Path(self.address, "_delta_log").is_dir():
            return None
        if not DeltaTable.is_deltatable(self.address):
            return None
        return DeltaTable(self.address).version()

    def create(self, schema: pa.Schema) -> int:
        """Make the table, empty; its version is 0."""
        configuration: dict[str, str | None] = dict(CONFIGURATION)
        indexed = [name for name in STATISTICS if name in schema.names]
        configuration["delta.dataSkippingStatsColumns"] = ",".join(indexed)
        DeltaTable.create(
            self.address,
            schema=schema,
            mode="error",
            partition_by=None if self.partition is None else [self.partition],
            configuration=configuration,
        )
        return 0

    def append(self, rows: pa.Table) -> int:
        """Add rows (and columns the table did not have) in one commit; returns the new version."""
        write_deltalake(
            self.address,
            rows,
            mode="append",
            schema_mode="merge",
            writer_properties=WRITER,
            post_commithook_properties=HOOKS,
        )
        return DeltaTable(self.address).version()

    def rewind(self, version: int) -> None:
        """Make the newest state equal to an earlier version by one more commit, unless it already is."""
        table = DeltaTable(self.address)
        if table.version() == version or _restores(table.history(1)[0], version):
            return
        table.restore(version)

    def scan(self, version: int) -> ds.Dataset:
        """Files of a version, as a data set that skips files and row groups by statistics."""
        return DeltaTable(self.address, version=version).to_pyarrow_dataset()


def _restores(commit: dict[str, Any], version: int) -> bool:
    parameters = commit.get("operationParameters", {})
    return commit.get("operation") == "RESTORE" and str(parameters.get("version")) == str(version)
