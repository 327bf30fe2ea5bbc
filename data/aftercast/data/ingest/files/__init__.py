"""Files as people have them: what a file is written like is found out by `look`, and its rows come by `read_chunks`."""

from aftercast.data.ingest.files.looking import Look, look
from aftercast.data.ingest.files.places import SUFFIXES, Place, is_database, is_readable, name_of, stem_of
from aftercast.data.ingest.files.reader import ROWS_AT_ONCE, read_chunks

__all__ = [
    "ROWS_AT_ONCE",
    "SUFFIXES",
    "Look",
    "Place",
    "is_database",
    "is_readable",
    "look",
    "name_of",
    "read_chunks",
    "stem_of",
]
