"""What a caller hands over: made ready to be sent, or refused as :class:`ServiceError` before anything is sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final, Self

from pydantic import ModelWrapValidatorHandler, ValidationError, model_validator

from aftercast.serving.client.errors import ServiceError
from aftercast.serving.wire import questions

ADVICE: Final = "Nothing was sent; correct it."
PREFIX: Final = "Input should be "


class DeviceAsked(questions.DeviceAsked):
    """A device asked about, with records that are not imported yet, if any; their times may be ``datetime``."""

    @model_validator(mode="wrap")
    @classmethod
    def _ready(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        with refusing():
            return handler(_with_times_as_text(value) if isinstance(value, Mapping) else value)


@contextmanager
def refusing() -> Iterator[None]:
    """Turn what pydantic finds wrong within the block into a ServiceError that names the place and no value."""
    try:
        yield
    except ValidationError as error:
        raise ServiceError(f"The question is not as the service takes it: {_finding(error)}.", ADVICE) from error


def several(name: str, given: Iterable[Any]) -> list[Any]:
    """List of what was given; text is refused, whose letters would be taken one by one, and so is a mapping."""
    if isinstance(given, str | Mapping):
        raise ServiceError(f"'{name}' has to be a list, not one of them.", "Put it into brackets.")
    return list(given)


def record(row: Any, place: str) -> Any:
    """Record with its times as text; one without a time zone is refused. What is no record is left for later."""
    if not isinstance(row, Mapping):
        return row
    return {name: _cell(value, f"{place}.{name}") for name, value in row.items()}


def header(name: str, text: str) -> str:
    """Text without space around it; refused where it holds what no header of HTTP can."""
    stripped = text.strip()
    if not (stripped.isascii() and stripped.isprintable()):
        raise ServiceError(f"The {name} holds characters that cannot be sent.", "Copy it anew, without line breaks.")
    return stripped


def _with_times_as_text(fields: Mapping[Any, Any]) -> dict[Any, Any]:
    ready = dict(fields)
    for table in questions.SENT_TABLES:
        if isinstance(ready.get(table), list | tuple):
            ready[table] = [record(row, f"{table}.{place}") for place, row in enumerate(ready[table])]
    if "facts" in ready:
        ready["facts"] = record(ready["facts"], "facts")
    return ready


def _cell(value: Any, place: str) -> Any:
    if not isinstance(value, datetime):
        return value
    if value != value:  # noqa: PLR0124  # pandas' NaT, which calls itself a datetime
        return None
    if value.tzinfo is None:
        hint = "Give it one, as in datetime.now(UTC) or Timestamp.tz_localize('UTC')."
        raise ServiceError(f"The time in {place} has no time zone.", hint)
    return value.isoformat()


def _finding(error: ValidationError) -> str:
    """Place and reason of the first finding; the kinds of which a value could have been one are put together."""
    found = error.errors(include_url=False, include_input=False)
    place = found[0]["loc"]
    kinds = [each for each in found if len(place) > 1 and each["loc"][:-1] == place[:-1]]
    if len(kinds) < 2:
        return _told(place, found[0]["msg"])
    nearest = next((each["msg"] for each in kinds if not each["type"].endswith("_type")), None)
    if nearest is not None:
        return _told(place[:-1], nearest)
    return _told(place[:-1], PREFIX + " or ".join(dict.fromkeys(each["msg"].removeprefix(PREFIX) for each in kinds)))


def _told(place: tuple[str | int, ...], reason: str) -> str:
    return f"{'.'.join(str(part) for part in place)}: {reason}"
