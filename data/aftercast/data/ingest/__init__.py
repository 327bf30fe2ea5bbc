"""Data coming in: sources are read, checked, dated, freed of repeats, and what is refused is quarantined."""

from aftercast.data.ingest.batches import Batch
from aftercast.data.ingest.files import Place, is_database, name_of
from aftercast.data.ingest.importer import ingest
from aftercast.data.ingest.impossible_readings import IMPOSSIBLE, impossible_readings, readings_of
from aftercast.data.ingest.records import (
    UNREADABLE,
    CheckedRecords,
    Refused,
    check_records,
    typed_columns,
    without_conflicts,
)
from aftercast.data.ingest.reports import ImportReport, TableReport
from aftercast.data.ingest.sources.registry import SOURCES, get_source
from aftercast.data.ingest.sources.source import NEW, Source
from aftercast.data.ingest.validation.parsing import as_stored
from aftercast.data.ingest.vocabulary import find_unlisted, said
from aftercast.data.ingest.withdrawing import OWN as WITHDRAWAL_COLUMNS

__all__ = [
    "IMPOSSIBLE",
    "NEW",
    "SOURCES",
    "UNREADABLE",
    "WITHDRAWAL_COLUMNS",
    "Batch",
    "CheckedRecords",
    "ImportReport",
    "Place",
    "Refused",
    "Source",
    "TableReport",
    "as_stored",
    "check_records",
    "find_unlisted",
    "get_source",
    "impossible_readings",
    "ingest",
    "is_database",
    "name_of",
    "readings_of",
    "said",
    "typed_columns",
    "without_conflicts",
]
