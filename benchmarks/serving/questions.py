"""The questions asked of each server: requests, what an answer must hold, and how its probabilities are read."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.operation.load import post
from benchmarks.serving.floors import PATH
from benchmarks.serving.material import DEVICES, HORIZON, Material, Row

Requests = tuple[bytes, ...]
Read = Callable[[int, bytes], Mapping[str, float | None]]
"""Place of a request and body of its answer -> device -> probability within seven days."""

HOURS: Final = 720
FIRST_MINUTE, LAST_MINUTE = 7 * 1440 + 1, 30 * 1440 - 1
"""Horizons between two of the model's, a minute apart, none of which was asked before."""
FRESH: Final = {1: 20 * DEVICES, DEVICES: 200}
"""Devices a request -> requests of a round of which no two are equal."""


@dataclass(frozen=True)
class Question:
    """One kind of request to one server.

    Attributes
    ----------
    what, server
        Name in the tables, and of the server.
    devices, records
        Asked about, and brought along, in each request.
    requests
        Number of a round -> its requests.
    fresh
        Whether each request of each round is another one, so that no answer can have been kept.
    needle
        What an answer holds.
    read
        None where an answer has no probabilities, or those of another horizon.
    most_connections
        It is asked at concurrencies up to this one.
    """

    what: str
    server: str
    devices: int
    requests: Callable[[int], Requests]
    needle: bytes
    read: Read | None = None
    records: int = 0
    fresh: bool = False
    most_connections: int = 1_000


def all_questions(material: Material) -> list[Question]:
    """Every question, floors first."""
    single = _always(_by_id(material, [[each] for each in material.ids], 3))
    floors = [
        Question("floor: raw socket, reads nothing", "raw", 1, single, b"probability"),
        Question("floor: empty endpoint", "empty", 1, single, b"probability"),
        Question("floor: our validation, as many bytes", "validating", 1, single, b"probability"),
    ]
    return [
        *floors,
        *(_stored(material, count, drivers) for count in (1, DEVICES) for drivers in (0, 3)),
        *(_fresh(material, count) for count in (1, DEVICES)),
        *_live(material),
        *_rivals(material),
    ]


def _stored(material: Material, count: int, drivers: int) -> Question:
    groups = list(_groups(material.ids, count))
    requests = _always(_by_id(material, groups, drivers))
    return Question(f"aftercast by id, {drivers} drivers", "aftercast", count, requests, _all_of(count), _ours)


def _fresh(material: Material, count: int) -> Question:
    groups = list(_groups(material.ids, count))

    def requests(number: int) -> Requests:
        each = math.ceil(FRESH[count] / len(groups))
        start = number * each if count == 1 else (LAST_MINUTE - FIRST_MINUTE) // 2 + number * each
        minutes = [FIRST_MINUTE + (start + i) % (LAST_MINUTE - FIRST_MINUTE) for i in range(each)]
        made = (_by_id(material, groups, 3, f"{minute}m") for minute in minutes)
        return tuple(itertools.chain.from_iterable(made))

    what = "aftercast by id, 3 drivers, never asked before"
    return Question(what, "aftercast", count, requests, _all_of(count), fresh=True)


def _live(material: Material) -> list[Question]:
    """One device with thirty days of telemetry a call."""
    return [_sending(material, [[each] for each in material.with_telemetry(HOURS)[:20]], HOURS, "30 days")]


def _sending(
    material: Material, groups: Sequence[Sequence[str]], hours: int, words: str, most_connections: int = 1_000
) -> Question:
    sent = material.telemetry([each for group in groups for each in group], hours)
    bodies = (
        {"devices": [{"device_id": each, "telemetry": sent[each]} for each in group], "horizon": HORIZON, "drivers": 3}
        for group in groups
    )
    requests = _always(tuple(_ask(material, body) for body in bodies))
    what = f"aftercast, {words} of telemetry in the call, 3 drivers"
    count, records = len(groups[0]), round(sum(map(len, sent.values())) / len(groups))
    needle = _all_of(count)
    return Question(what, "aftercast", count, requests, needle, _ours, records, most_connections=most_connections)


def _rivals(material: Material) -> list[Question]:
    found = []
    for count in (1, DEVICES):
        rows = list(_groups(material.rows, count))
        groups = list(_groups(material.ids, count))
        mlflow = _always(tuple(post("/invocations", _json(_split(material.columns, each))) for each in rows))
        bento = _always(tuple(post("/predict", _json({"rows": each})) for each in rows))
        found += [
            Question(
                "mlflow models serve, features given",
                "mlflow",
                count,
                mlflow,
                f"any_{HORIZON}".encode(),
                _theirs(groups),
            ),
            Question("BentoML, features given", "bentoml", count, bento, b"[", _theirs(groups)),
        ]
    return found


def _split(columns: Sequence[str], rows: Sequence[Row]) -> dict[str, Any]:
    return {"dataframe_split": {"columns": columns, "data": rows}}


def _by_id(material: Material, groups: Sequence[Sequence[str]], drivers: int, horizon: str = HORIZON) -> Requests:
    bodies = (
        {"devices": [{"device_id": each} for each in group], "horizon": horizon, "drivers": drivers} for group in groups
    )
    return tuple(_ask(material, body) for body in bodies)


def _ask(material: Material, body: object) -> bytes:
    return post(PATH, _json(body), {"X-API-Key": material.key})


def _json(body: object) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()


def _always(requests: Requests) -> Callable[[int], Requests]:
    return lambda _number: requests


def _groups(values: Sequence[Any], count: int) -> Iterator[list[Any]]:
    return (list(values[i : i + count]) for i in range(0, len(values), count))


def _all_of(count: int) -> bytes:
    return f'"answered":{count},"failed":0,'.encode()


def _ours(_place: int, body: bytes) -> dict[str, float | None]:
    return {each["device_id"]: each["probability"] for each in json.loads(body)["results"]}


def _theirs(groups: Sequence[Sequence[str]]) -> Read:
    def read(place: int, body: bytes) -> dict[str, float | None]:
        said = json.loads(body)
        values = said if isinstance(said, list) else [row[f"any_{HORIZON}"] for row in said["predictions"]]
        return dict(zip(groups[place], values, strict=True))

    return read
