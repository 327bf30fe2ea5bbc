"""Numbers on the wire: a whole number stays whole, and one that no float holds keeps every digit as text."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from aftercast.serving.wire.records import RecordsRequest


def received(value: str) -> Any:
    """Value of a field as the service has it; ``value`` is JSON."""
    body = json.loads(f'{{"table": "faults", "records": [{{"code": {value}}}]}}')
    return RecordsRequest.model_validate(body).records[0]["code"]


@pytest.mark.parametrize(
    ("sent", "taken"),
    [
        ("21", 21),
        ("21.0", 21.0),
        ("true", True),
        ('"0021"', "0021"),
        ("1234567890123456789", "1234567890123456789"),
        ("12345678901234567890123", "12345678901234567890123"),
        ("-9007199254740993", "-9007199254740993"),
    ],
)
def test_a_number_is_taken_as_it_was_sent(sent: str, taken: Any) -> None:
    found = received(sent)
    assert (type(found), found) == (type(taken), taken)


@pytest.mark.parametrize("sent", ["9" * 400, "1e999"])
def test_a_number_beyond_all_measure_is_refused(sent: str) -> None:
    with pytest.raises(ValidationError):
        received(sent)
