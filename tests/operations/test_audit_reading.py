"""What is read back: the newest entries, and of one device or customer everything that is theirs and nothing more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
import pytest

from aftercast.operations.audit import AuditLog, export, newest_entries
from aftercast.operations.errors import SettingsError


def answer(kind: str, *ids: str) -> dict[str, Any]:
    records: list[dict[str, Any]] = [
        {"id": one, "probability": 0.25, "component": "pump", "evidence": [], "error": None} for one in ids
    ]
    return {"request_id": "r1", "key_id": "1a2b", "kind": kind, "horizon": "7d", "answers": records}


def sent_in(*ids: str) -> dict[str, Any]:
    return {"request_id": "r2", "key_id": "1a2b", "batch_id": "b1", "table": "telemetry", "rows": 3, "ids": [*ids]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a log about devices D1 and D10, customer C1 and a customer whose id is a device's too."""
    with AuditLog(tmp_path, segment_bytes=500) as log:
        log.append("prediction", answer("failure", "D1", "D10"))
        log.append("prediction", answer("failure", "D10"))
        log.append("prediction", answer("churn", "C1", "D1"))
        log.append("ingest", sent_in("D1", "D10", "C1"))
        log.append("key.created", {"key_id": "D1"})
        log.append("prediction", answer("failure", "D1"))
    return tmp_path


def test_an_export_has_of_a_batch_only_the_part_of_its_device(folder: Path) -> None:
    entries = list(export(folder, device_id="D1"))
    assert [entry["seq"] for entry in entries] == [1, 4, 6]
    assert [record["id"] for record in entries[0]["content"]["answers"]] == ["D1"]
    assert entries[1]["content"]["ids"] == ["D1"]
    assert "rows" not in entries[1]["content"]
    assert entries[0]["content"]["horizon"] == "7d"
    assert "D10" not in json.dumps(entries)


def test_a_customer_has_the_answers_about_churn_only(folder: Path) -> None:
    assert [entry["seq"] for entry in export(folder, customer_id="D1")] == [3, 4]
    assert [entry["seq"] for entry in export(folder, customer_id="C1")] == [3, 4]


def test_an_export_names_the_hash_of_each_entry(folder: Path) -> None:
    exported = {entry["seq"]: entry["hash"] for entry in export(folder, device_id="D1")}
    listed = {entry["seq"]: entry["hash"] for entry in newest_entries(folder, 10)}
    assert exported.items() <= listed.items()


def test_an_export_of_an_unknown_id_is_empty(folder: Path) -> None:
    assert list(export(folder, device_id="D")) == []
    assert list(export(folder / "none", device_id="D1")) == []


@pytest.mark.parametrize("serialise", [orjson.dumps, lambda content: json.dumps(content).encode()])
def test_an_id_is_found_however_its_letters_were_written(tmp_path: Path, serialise: Any) -> None:
    with AuditLog(tmp_path, segment_bytes=10_000) as log:
        log.append("prediction", serialise(answer("failure", 'Gerät "1"')))
    assert len(list(export(tmp_path, device_id='Gerät "1"'))) == 1


@pytest.mark.parametrize("ids", [{}, {"device_id": "D1", "customer_id": "C1"}])
def test_an_export_is_of_exactly_one_id(folder: Path, ids: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="one"):
        export(folder, **ids)


def test_the_newest_entries_come_newest_first_across_segments(folder: Path) -> None:
    assert [entry["seq"] for entry in newest_entries(folder, 4)] == [6, 5, 4, 3]
    assert [entry["seq"] for entry in newest_entries(folder, 100)] == [6, 5, 4, 3, 2, 1]
    assert list(newest_entries(folder, 0)) == []


def test_a_damaged_line_is_left_out(folder: Path) -> None:
    newest = sorted(folder.glob("*.jsonl"))[-1]
    newest.write_bytes(newest.read_bytes() + b"damaged\n{}\n")
    assert [entry["seq"] for entry in newest_entries(folder, 2)] == [6, 5]
    assert [entry["seq"] for entry in export(folder, device_id="D1")] == [1, 4, 6]
