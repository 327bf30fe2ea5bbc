"""The log of a process that runs for long: each line on standard error is one JSON object, whoever writes it.

What a caller sent is never in it. Our own messages hold no content; of an error that comes from elsewhere while a
request is answered only kind and places are told, because its text may quote a device id or a value.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import orjson

from aftercast.operations.errors import AftercastError

LOG: Final = logging.getLogger("aftercast.process")
REQUEST: Final[ContextVar[str | None]] = ContextVar("aftercast_request_id", default=None)
"""Id of the request that is being answered."""
FIELDS: Final = "fields"
"""Attribute of a log record: a mapping that goes into the line as it is."""
_USER: Final = re.compile(r"(?<=://)[^/@\s]*@")
_FRAMES: Final = 12


class JsonLines(logging.Formatter):
    """Formatter of log records."""

    def format(self, record: logging.LogRecord) -> str:
        """Line of a record, without its end."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        fields = getattr(record, FIELDS, None)
        request_id = REQUEST.get()
        if fields is not None:
            line |= fields
        else:
            line |= {"message": without_user(record.getMessage())}
            line |= {} if request_id is None else {"request_id": request_id}
        if record.exc_info is not None and record.exc_info[1] is not None:
            line["error"] = told(record.exc_info[1], quoting=request_id is None)
        return orjson.dumps(line, default=str).decode(errors="replace")


def told(error: BaseException, *, quoting: bool) -> dict[str, Any]:
    """Kind and places of an error and of what caused it; its text where it is ours, or may be quoted."""
    found: dict[str, Any] = {"kind": type(error).__name__, "at": _places(error)}
    if isinstance(error, AftercastError):
        found["message"] = str(error)
    elif quoting:
        found["message"] = without_user(str(error))
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return found if cause is None else found | {"cause": told(cause, quoting=quoting)}


def _places(error: BaseException) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    return [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]


def without_user(text: str) -> str:
    """Text whose addresses do not say who logs in."""
    return _USER.sub("***@", text)


def log_to_stderr() -> None:
    """Send every log record of the process to standard error: ours from INFO on, those of libraries from WARNING on.

    Warnings that Python prints, what uvicorn says, and errors that nobody caught take the same way.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    for unused in ("_srcfile", "logThreads", "logMultiprocessing", "logProcesses", "logAsyncioTasks"):
        setattr(logging, unused, None)  # what no line shows is not looked up either (Python's logging HOWTO)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("aftercast").setLevel(logging.INFO)
    logging.captureWarnings(capture=True)
    sys.excepthook, threading.excepthook = _tell_uncaught, _tell_uncaught_in_thread
    for name in ("uvicorn", "uvicorn.error", "mlflow", "alembic"):
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # each retry; that somebody is away is told once, by us
    paths = logging.getLogger("uvicorn.access")  # would log whole paths, which hold ids
    paths.handlers.clear()
    paths.propagate = False


def _tell_uncaught(_kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
    LOG.critical("the process ends", exc_info=error)


def _tell_uncaught_in_thread(ended: threading.ExceptHookArgs) -> None:
    if ended.exc_type is not SystemExit:
        LOG.critical("a thread ends", exc_info=ended.exc_value)
