"""One history table as a Delta table: create, append, compact, rewind, scan. Only a vacuum deletes from the disk."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from threading import Lock
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.fs as pafs
from deltalake import DeltaTable, PostCommitHookProperties, WriterProperties, write_deltalake

CONFIGURATION: Final = {
    # Every version stays readable until a vacuum: no log entry expires. Only the marks of files that a compaction
    # replaced are dropped from later checkpoints, which would grow by them for ever.
    "delta.enableExpiredLogCleanup": "false",
    "delta.logRetentionDuration": "interval 36500 days",
    "delta.deletedFileRetentionDuration": "interval 1 days",
    # Whoever opens a table reads every commit since the last checkpoint, all at once.
    "delta.checkpointInterval": "20",
}
STATISTICS: Final = ("device_id", "customer_id", "event_time", "available_at")
ROWS_PER_GROUP: Final = 131_072
HOOKS: Final = PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=False)
TIERS: Final = (2**18, 2**22, 2**26)
"""Bytes below which files are small, smallest first; what is merged in one tier is merged again in the next."""
MOST_SMALL: Final = 8
"""Files of one tier that a part may have; each file costs every reader a footer, and a thread while it is read."""
MOST_OPEN: Final = 32
"""Versions of tables that stay opened, a few of each table: a version never changes, and to open it reads the log."""
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
        if self._local and not Path(self.address, "_delta_log").is_dir():
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

    def compact(self) -> int:
        """Merge small files where a part has too many of them, by commits that change no row; returns the version.

        Files merged before are merged again only once there are many of their size, so that a row is rewritten a few
        times in all, however many small portions follow it.
        """
        table = DeltaTable(self.address)
        for above, size in pairwise((0, *TIERS)):
            if self._most_of_size(table, above, size) > MOST_SMALL:
                table.optimize.compact(target_size=size, writer_properties=WRITER, post_commithook_properties=HOOKS)
        return table.version()

    def _most_of_size(self, table: DeltaTable, above: int, below: int) -> int:
        """Count the files of ``above <= size < below`` bytes in the part that has most of them."""
        files = pa.table(table.get_add_actions(flatten=True))
        sizes = np.asarray(files["size_bytes"])
        small = files.filter((above <= sizes) & (sizes < below))
        if small.num_rows == 0 or self.partition is None:
            return small.num_rows
        parts = np.asarray(small[f"partition.{self.partition}"])
        return int(np.unique(parts, return_counts=True)[1].max())

    def rows(self, version: int) -> int:
        """Count the rows of a version by what its log says of its files; no file is read."""
        files = pa.table(DeltaTable(self.address, version=version).get_add_actions(flatten=True))
        return int(np.asarray(files["num_records"]).sum()) if files.num_rows > 0 else 0

    def rewind(self, version: int) -> None:
        """Make the newest state equal to an earlier version by one more commit, unless it already is."""
        table = DeltaTable(self.address)
        if table.version() == version or _restores(table.history(1)[0], version):
            return
        table.restore(version)

    def was_rewound(self) -> bool:
        """Whether something was appended that was never published: the log has a trace of it."""
        return any(
            commit.get("operation") == "RESTORE" and int(commit.get("numRemovedFile", 1)) > 0
            for commit in DeltaTable(self.address).history()
        )

    def unread_files(self) -> list[str]:
        """Files that the newest version does not read: merged into others, or never published."""
        return self._vacuum(dry_run=True)

    def delete_unread_files(self) -> None:
        """Delete :meth:`unread_files`; versions before the newest cannot be read afterwards."""
        self._vacuum(dry_run=False)

    def _vacuum(self, *, dry_run: bool) -> list[str]:
        return DeltaTable(self.address).vacuum(
            retention_hours=0, enforce_retention_duration=False, full=True, dry_run=dry_run
        )

    def empty(self) -> None:
        """Remove every row and its files, where there is a table."""
        if self.latest() is not None:
            DeltaTable(self.address).delete()
            self.delete_unread_files()

    def scan(self, version: int) -> ds.Dataset:
        """Files of a version, as a data set that skips files and row groups by statistics."""
        if not self._local:  # nobody waits for a slow object store but who reads from it
            return _opened(self.address, version, None).to_pyarrow_dataset()
        with _OPENING:
            table = _opened(self.address, version, self._commit(version))
        # The library's own reader takes a thread for every file that is read at once, and keeps it.
        return table.to_pyarrow_dataset(filesystem=pafs.SubTreeFileSystem(self.address, pafs.LocalFileSystem()))

    @property
    def _local(self) -> bool:
        return "://" not in self.address

    def _commit(self, version: int) -> tuple[int, int] | None:
        """Which file made a version: another one where a copy of the store was put in its place."""
        try:
            found = Path(self.address, "_delta_log", f"{version:020}.json").stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns


_OPENING: Final = Lock()
"""Whoever opens a table reads many files of its log at once, each local one on a thread that stays."""


@lru_cache(maxsize=MOST_OPEN)
def _opened(address: str, version: int, _commit: tuple[int, int] | None) -> DeltaTable:
    return DeltaTable(address, version=version)


def _restores(commit: dict[str, Any], version: int) -> bool:
    parameters = commit.get("operationParameters", {})
    return commit.get("operation") == "RESTORE" and str(parameters.get("version")) == str(version)
