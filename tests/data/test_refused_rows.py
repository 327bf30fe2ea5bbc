"""Refused records: solved once a later import stored their row, and handed back in the columns of the user's file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from aftercast.data.fleet import FleetSpec, TableSettings
from aftercast.data.ingest import Batch, ImportReport
from aftercast.data.ingest.sources.tables import read
from aftercast.data.refused_rows import in_own_columns, solved
from aftercast.data.status import describe
from aftercast.data.store import Store

Make = Callable[..., Any]
Load = Callable[..., ImportReport]
CLOCK = "2024-02-01T00:00:00Z"


def test_entries_are_solved_by_a_later_import_of_the_same_row(
    store: Store, load: Load, batch: Make, device: Make, reading: Make
) -> None:
    failure = {"device_id": "d2", "event_time": CLOCK, "available_at": CLOCK, "component": "p"}
    load(batch("devices", device("d1")), batch("telemetry", reading(1, volt=999.0, heat=1.0), reading(2, volt=999.0)))
    load(batch("failures", failure, failure | {"device_id": "d3"}, failure | {"device_id": None}))
    assert not solved(store, store.quarantine()).any()
    load(batch("devices", device("d2")), batch("failures", failure))
    load(batch("telemetry", reading(1, known="2024-02-02T00:00:00Z", volt=9.0)))
    found = store.quarantine()
    named = [f"{row['table']} {row['reason']} {row['row_number']}" for _, row in found[solved(store, found)].iterrows()]
    assert sorted(named) == ["failures unknown_device 1", "telemetry impossible_value 1"]
    counts = {(item.table, item.reason): (item.count, item.solved) for item in describe(store).quarantine}
    assert counts["telemetry", "impossible_value"] == (2, 1)
    assert counts["failures", "unknown_device"] == (2, 1)
    assert counts["failures", "missing_value"] == (1, 0)
    told = next(item for item in describe(store).quarantine if item.reason == "unknown_device")
    assert "1 of them solved by a later import" in told.sentence
    assert "d3" in told.sentence, "the example is one that is still open"


def test_a_file_of_refused_rows_has_their_own_columns_and_can_be_imported_once_corrected(
    store: Store, load: Load, device: Make, batch: Make, tmp_path: Path
) -> None:
    spec = FleetSpec(name="own", tables={"failures": TableSettings(columns={"component": "Bauteil"})})
    load(batch("devices", device("d1")))
    folder = tmp_path / "tables"
    folder.mkdir()
    (folder / "failures.csv").write_text(f"Bauteil,event_time,device_id,note\npump,{CLOCK},d9,ä\n", encoding="utf-8")
    load(*read(folder, spec))
    refused = in_own_columns(store.quarantine(), spec)
    assert list(refused.columns)[:3] == ["device_id", "event_time", "Bauteil"]
    assert refused["_reason"].tolist() == ["unknown_device"]
    refused.assign(device_id="d1").to_csv(folder / "failures.csv", index=False)
    batches: list[Batch] = list(read(folder, spec))
    report = load(*batches)
    assert report.table("failures").kept == 1
    assert report.notices == [] or "_reason" not in report.notices[0]
    assert isinstance(store.read("failures"), pd.DataFrame)
