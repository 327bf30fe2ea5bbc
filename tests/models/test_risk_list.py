"""The list is ordered by a recorded rule, never changes, and opens safely in a spreadsheet."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pandas as pd
import pytest
from openpyxl import load_workbook

from aftercast.data.fleet import FleetSpec
from aftercast.data.workspace import Workspace, create_workspace
from aftercast.models.forecast import stored_content
from aftercast.models.hazard.forecast import Driver, HazardForecast
from aftercast.models.lists.list_files import COLUMNS, to_csv, to_xlsx
from aftercast.models.lists.risk_list import find_list, make_list
from aftercast.operations.clocks import DAY_US
from aftercast.operations.database.forecasts import ForecastSet, newest_set, read_set, write_set
from aftercast.operations.database.risk_lists import list_lists
from aftercast.operations.errors import NotFoundError, SettingsError

CUTOFF = pd.Timestamp("2025-08-15", tz="UTC")
RISKS = {"D3": 0.5, "D1": 0.5, "D2": 0.9, "D4": 0.0, "=cmd": 0.1}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = create_workspace(tmp_path / "fleet", FleetSpec(name="lists"))
    store(made, RISKS)
    return made


def store(workspace: Workspace, risks: dict[str, float], cutoff: pd.Timestamp = CUTOFF, model: str = "1") -> bool:
    scores = [one(name, risk, cutoff, model) for name, risk in sorted(risks.items())]
    found = ForecastSet("failure", cutoff, model, 1, ("7d",), ("pump",))
    return write_set(workspace.database, found, [(s.entity_id, s.any_risk, stored_content(s)) for s in scores])


def one(name: str, risk: float, cutoff: pd.Timestamp, model: str) -> HazardForecast:
    return HazardForecast(
        kind="failure",
        entity_id=name,
        cutoff=cutoff,
        model_version=model,
        data_version=1,
        horizons_us=(7 * DAY_US,),
        risks={"pump": (risk,)},
        any_risk=(risk,),
        evidence="history",
        data_as_of=cutoff,
        drivers=(Driver("volt", 1.0, "V", 0.2, "+1 V"),),
    )


def test_the_riskiest_come_first_and_ties_by_device(workspace: Workspace) -> None:
    made = make_list(workspace)
    assert [(row.rank, row.device_id, row.probability) for row in made.rows] == [
        (1, "D2", 0.9),
        (2, "D1", 0.5),
        (3, "D3", 0.5),
        (4, "=cmd", 0.1),
        (5, "D4", 0.0),
    ]
    assert "device_id" in made.order


def test_the_same_inputs_make_the_same_list_and_record_it_once(workspace: Workspace) -> None:
    assert make_list(workspace) == make_list(workspace)
    assert len(list_lists(workspace.database)) == 1
    assert make_list(workspace, top=2).list_id != make_list(workspace).list_id


def test_a_list_given_out_stays_as_it_was_when_the_fleet_is_scored_anew(workspace: Workspace) -> None:
    first = make_list(workspace)
    store(workspace, dict.fromkeys(RISKS, 0.3), model="2")
    second = make_list(workspace)
    assert second.list_id != first.list_id
    assert find_list(workspace, first.list_id) == first


def test_the_list_of_an_earlier_cutoff_can_be_asked_for(workspace: Workspace) -> None:
    earlier = CUTOFF - pd.Timedelta(days=1)
    store(workspace, {"D1": 0.7}, cutoff=earlier)
    assert make_list(workspace).cutoff == CUTOFF
    assert [row.device_id for row in make_list(workspace, cutoff=earlier).rows] == ["D1"]


def test_top_cuts_the_list_and_says_of_how_many(workspace: Workspace) -> None:
    made = make_list(workspace, top=2)
    assert ([row.device_id for row in made.rows], made.judged) == (["D2", "D1"], 5)


def test_an_unscored_cutoff_and_an_empty_list_are_refused(workspace: Workspace) -> None:
    with pytest.raises(NotFoundError, match="aftercast score"):
        make_list(workspace, cutoff=CUTOFF + pd.Timedelta(days=1))
    with pytest.raises(SettingsError, match="at least one row"):
        make_list(workspace, top=0)
    with pytest.raises(NotFoundError, match="No risk list"):
        find_list(workspace, "nothing")


def test_scores_are_stored_once_for_each_cutoff_model_and_data(workspace: Workspace) -> None:
    assert store(workspace, {"D1": 0.99}) is False
    found = newest_set(workspace.database, "failure")
    assert found is not None
    assert found.size == len(RISKS)
    assert dict(read_set(workspace.database, found.set_id))["D1"]["any"] == [0.5]


def test_no_cell_of_the_files_is_a_formula(workspace: Workspace) -> None:
    made = make_list(workspace)
    rows = list(csv.DictReader(io.StringIO(to_csv(made))))
    assert [row["device_id"] for row in rows] == ["D2", "D1", "D3", "'=cmd", "D4"]
    assert {row["drivers"] for row in rows} == {"'+1 V"}
    sheet = load_workbook(io.BytesIO(to_xlsx(made))).active
    assert sheet is not None
    assert "f" not in {cell.data_type for row in sheet.iter_rows() for cell in row}


def test_the_workbook_has_a_header_and_probabilities_as_percent(workspace: Workspace) -> None:
    made = make_list(workspace)
    sheet = load_workbook(io.BytesIO(to_xlsx(made))).active
    assert sheet is not None
    assert [cell.value for cell in sheet[1]] == [name for name, _ in COLUMNS]
    probability = sheet["F2"]
    assert (probability.value, probability.number_format) == (0.9, "0.0%")
    assert sheet["F6"].value == 0
    assert sheet.freeze_panes == "C2"


def test_csv_and_workbook_say_the_same(workspace: Workspace) -> None:
    made = make_list(workspace)
    table = list(csv.reader(io.StringIO(to_csv(made))))
    sheet = load_workbook(io.BytesIO(to_xlsx(made))).active
    assert sheet is not None
    cells = [["" if cell.value is None else str(cell.value) for cell in row] for row in sheet.iter_rows()]
    numbers = {0, 5}
    for text_row, cell_row in zip(table[1:], cells[1:], strict=True):
        for index, (text, cell) in enumerate(zip(text_row, cell_row, strict=True)):
            assert float(text) == float(cell) if index in numbers else text == cell
