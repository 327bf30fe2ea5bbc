"""Every metric there is: its name, kind and labels.

`docs/monitoring.md` has the same list for people; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from prometheus_client.metrics_core import Metric
from prometheus_client.samples import Sample

Values = Iterable[tuple[tuple[str, ...], float]]
"""Values of the labels, in the order of the family's labels, and the value."""


@dataclass(frozen=True)
class Family:
    """A metric.

    Attributes
    ----------
    name
        As a query names it; that of a histogram without ``_bucket`` and so on.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    about: str
    labels: tuple[str, ...] = ()

    @property
    def stem(self) -> str:
        """The name under which the client library knows the family."""
        return self.name.removesuffix("_total")

    def of(self, values: Values) -> Metric:
        """Family with values; each is labelled."""
        metric = Metric(self.stem, self.about, self.kind)
        metric.samples = [
            Sample(self.name, dict(zip(self.labels, labels, strict=True)), float(value)) for labels, value in values
        ]
        return metric

    def one(self, value: float | None) -> list[Metric]:
        """Family with one value without labels; nothing where there is none: what is missing is absent, not zero."""
        return [] if value is None else [self.of([((), value)])]


DURATION: Final = Family(
    "aftercast_http_request_duration_seconds",
    "histogram",
    "Time from the request's headers to the end of its answer.",
    ("route", "method", "status"),
)
IN_FLIGHT: Final = Family("aftercast_http_requests_in_flight", "gauge", "Requests being answered, the scrape included.")
REFUSALS: Final = Family(
    "aftercast_http_refusals_total", "counter", "Requests refused, by the code of the problem.", ("code",)
)
ANSWERED: Final = Family(
    "aftercast_records_answered_total", "counter", "Devices and customers that were answered about.", ("kind",)
)
FAILED: Final = Family(
    "aftercast_records_failed_total",
    "counter",
    "Devices and customers that could not be answered about, by the code in the answer.",
    ("kind", "code"),
)
MODEL: Final = Family("aftercast_model_info", "gauge", "1 for each model that answers.", ("kind", "version", "run_id"))
MODEL_AGE: Final = Family(
    "aftercast_model_age_seconds", "gauge", "Time since the end of what the model learnt from.", ("kind",)
)
ROWS_AGE: Final = Family("aftercast_rows_age_seconds", "gauge", "Time since the cutoff of the last scoring.", ("kind",))
FAILING: Final = Family(
    "aftercast_registry_failing",
    "gauge",
    "1 while the last look for a newer model or newer rows failed, else 0.",
    ("kind",),
)
WORKERS: Final = Family("aftercast_workers", "gauge", "Worker processes that are counted.")
DEVICES: Final = Family(
    "aftercast_devices", "gauge", "Devices of the last scoring, by what their answer rests on.", ("evidence",)
)
SILENT: Final = Family(
    "aftercast_devices_silent", "gauge", "Devices of which nothing new was known in the 24 hours before their cutoff."
)
DATABASE_UP: Final = Family("aftercast_database_up", "gauge", "1 where the operational database answers, else 0.")
DATA_AGE: Final = Family("aftercast_data_age_seconds", "gauge", "Time since the end of what was observed.")
INBOX_BATCHES: Final = Family("aftercast_inbox_waiting_batches", "gauge", "Batches of records not yet drained.")
INBOX_ROWS: Final = Family("aftercast_inbox_waiting_rows", "gauge", "Records not yet drained.")
INBOX_AGE: Final = Family(
    "aftercast_inbox_oldest_age_seconds", "gauge", "Time since the oldest batch that waits was taken."
)
AUDIT: Final = Family("aftercast_audit_entries_total", "counter", "Entries of the audit log.")
SETTLED: Final = Family(
    "aftercast_audit_settled_entries_total", "counter", "Entries of the audit log that are on the disk and anchored."
)
PROCESS: Final = (
    Family("process_cpu_seconds_total", "counter", "CPU time."),
    Family("process_resident_memory_bytes", "gauge", "Memory that is in RAM."),
    Family("process_virtual_memory_bytes", "gauge", "Address space."),
    Family("process_start_time_seconds", "gauge", "When the process started, since 1970."),
    Family("process_open_fds", "gauge", "Open files and sockets."),
    Family("process_max_fds", "gauge", "Files and sockets that may be open."),
)
"""Of the client library; told by a service of one process."""

CATALOGUE: Final[Mapping[str, Family]] = {
    family.stem: family
    for family in (
        *(DURATION, IN_FLIGHT, REFUSALS, ANSWERED, FAILED),
        *(MODEL, MODEL_AGE, ROWS_AGE, FAILING, WORKERS),
        *(DEVICES, SILENT, DATABASE_UP, DATA_AGE, INBOX_BATCHES, INBOX_ROWS, INBOX_AGE, AUDIT, SETTLED),
        *PROCESS,
    )
}
"""Stem -> family."""
