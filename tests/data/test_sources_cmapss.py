from __future__ import annotations

import gzip
from pathlib import Path

import pandas as pd
import pytest

from aftercast.data.ingest.sources.cmapss import NAMES, draft, read
from aftercast.operations.errors import InputError

DAY = pd.Timedelta(days=1)
START = pd.Timestamp("2000-01-01", tz="UTC")


def engine(unit: int, cycles: int) -> str:
    """Publisher's lines of an engine: unit, cycle, 24 values, blanks at the end."""
    values = " ".join(f"{number}.5" for number in range(24))
    return "".join(f"{unit} {cycle} {values}  \n" for cycle in range(1, cycles + 1))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "train_FD001.txt").write_text(engine(1, 4) + engine(2, 2))
    (tmp_path / "test_FD001.txt.gz").write_bytes(gzip.compress(engine(1, 3).encode()))
    (tmp_path / "RUL_FD001.txt").write_text("112 \n")
    return tmp_path


def rows(folder: Path, table: str) -> pd.DataFrame:
    return pd.concat([batch.frame for batch in read(folder, draft(folder)) if batch.table == table], ignore_index=True)


def test_a_cycle_is_a_day_counted_from_2000(folder: Path) -> None:
    telemetry = rows(folder, "telemetry").query("device_id == 'FD001-train-1'")
    assert telemetry["event_time"].tolist() == [START + cycle * DAY for cycle in (1, 2, 3, 4)]
    assert (telemetry["available_at"] == telemetry["event_time"]).all()


def test_settings_and_sensors_keep_the_publishers_order(folder: Path) -> None:
    first = rows(folder, "telemetry")[list(NAMES)].iloc[0]
    assert first.to_dict() == {name: number + 0.5 for number, name in enumerate(NAMES)}


def test_a_training_engine_fails_one_day_after_its_last_cycle(folder: Path) -> None:
    failures = rows(folder, "failures").set_index("device_id")
    assert failures["event_time"].to_dict() == {"FD001-train-1": START + 5 * DAY, "FD001-train-2": START + 3 * DAY}
    assert set(failures["component"]) == {"engine"}


def test_the_days_to_failure_are_the_published_remaining_life_and_one(folder: Path) -> None:
    failure = rows(folder, "failures").set_index("device_id").loc["FD001-train-1", "event_time"]
    cycles = rows(folder, "telemetry").query("device_id == 'FD001-train-1'")["event_time"]
    assert [(failure - cycle) / DAY - 1 for cycle in cycles] == [3, 2, 1, 0]


def test_a_test_engine_leaves_without_a_failure_and_its_answer_is_not_read(folder: Path) -> None:
    devices = rows(folder, "devices").query("device_id == 'FD001-test-1'")
    assert devices["retired_at"].isna().tolist() == [True, False]
    assert devices["retired_at"].dropna().tolist() == [START + 4 * DAY]
    assert "FD001-test-1" not in set(rows(folder, "failures")["device_id"])
    assert all("RUL" not in batch.origin for batch in read(folder, draft(folder)))


def test_a_retirement_is_not_known_before_it_happens(folder: Path) -> None:
    retired = rows(folder, "devices").dropna(subset="retired_at")
    assert (retired["available_at"] == retired["retired_at"]).all()


def test_a_single_file_may_be_named(folder: Path) -> None:
    assert {batch.origin for batch in read(folder / "train_FD001.txt", draft(folder))} == {"train_FD001.txt"}


def test_a_file_with_other_columns_is_refused_with_their_number(folder: Path) -> None:
    (folder / "train_FD001.txt").write_text("1 1 0.5 0.5\n")
    with pytest.raises(InputError, match=r"train_FD001\.txt has 4 columns where 26 belong"):
        rows(folder, "telemetry")


def test_an_engine_without_a_number_is_refused(folder: Path) -> None:
    (folder / "train_FD001.txt").write_text(engine(1, 2) + engine(2, 1).replace("2 1 ", "two 1 ", 1))
    with pytest.raises(InputError, match=r"train_FD001\.txt: 1 of 3 rows have no readable 'unit', first 'two'"):
        rows(folder, "telemetry")


def test_the_answers_alone_are_no_data(tmp_path: Path) -> None:
    (tmp_path / "RUL_FD001.txt").write_text("112 \n")
    with pytest.raises(InputError, match="holds no train_FD00x"):
        draft(tmp_path)
