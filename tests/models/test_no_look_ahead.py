"""Features built through the store: what arrives after a cutoff changes no bit at it, in whatever order it arrives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import pytest

from aftercast.data.contract import TABLES
from aftercast.data.ingest import Batch, ingest
from aftercast.data.store import Store
from aftercast.data.workspace import Workspace, create_workspace
from aftercast.features.customer_history import load_customer_history
from aftercast.features.dictionary import feature_dictionary, views_of
from aftercast.features.examples import Grain
from aftercast.features.history import load_history
from aftercast.features.labels import load_outcome
from aftercast.models.examples.cases import Cases, build_cases
from aftercast.operations.clocks import DAY_US, parse_time, timestamp_us

T = parse_time("2025-04-19")
DAY, SOON = pd.Timedelta(days=1), pd.Timedelta(microseconds=1)
KINDS: Final[tuple[str, ...]] = ("failure", "churn")
CLOCKED: Final = ("telemetry", "faults", "failures", "repairs", "purchases", "contacts")
IDS: Final = {"repairs": "work_order_id", "contacts": "contact_id"}


def cases(workspace: Workspace, kind: str, *moments: pd.Timestamp, known_at: pd.Timestamp | None = None) -> Cases:
    store, cutoffs = workspace.store, np.array([timestamp_us(moment) for moment in moments])
    return build_cases(kind, store, workspace.fleet, cutoffs, version=store.version(), known_at=known_at)


def add(workspace: Workspace, *batches: Batch) -> None:
    """Import rows none of which may be refused or dropped."""
    report = ingest(workspace.store, batches, workspace.fleet, origin="late")
    assert {name: (table.kept, table.quarantined) for name, table in report.tables.items()} == {
        batch.table: (len(batch.frame), {}) for batch in batches
    }


def rows_at(cases: Cases, moment: pd.Timestamp) -> pd.DataFrame:
    """Features of one cutoff by id, texts as plain objects."""
    rows = cases.examples.cutoff_us == timestamp_us(moment)
    texts = {name: object for name, dtype in cases.features.dtypes.items() if dtype == "category"}
    found: pd.DataFrame = cases.features[rows].astype(texts)
    return found.set_axis(cases.examples.ids[rows])


def assert_same_bits(left: pd.DataFrame, right: pd.DataFrame) -> None:
    assert len(left) > 0
    pd.testing.assert_frame_equal(left, right, check_exact=True)


def late(store: Store) -> Iterator[Batch]:
    """Rows of every table that became known a microsecond after T: of the days before it, of T itself, corrections."""
    for table in ("devices", "customers"):
        latest = store.read(table, known_at=T).groupby(f"{table[:-1]}_id").tail(1)
        yield Batch(table, standing(table, latest).assign(available_at=T + SOON), f"{table}.csv")
    for table in CLOCKED:
        known = store.read(table, known_at=T)
        known = known[known["available_at"] < T].sort_values(str(TABLES[table].event_time))
        owner = "customer_id" if "customer_id" in known.columns else "device_id"
        last = known.groupby(owner).tail(2 if table == "telemetry" else 1)
        corrected = [] if table == "failures" else [last]  # a failure has nothing that could be corrected
        moments = [*corrected, *(moved(table, last, moment) for moment in (T - 3 * DAY - SOON, T - SOON, T))]
        told = pd.concat([other(table, rows).assign(available_at=T + SOON) for rows in moments])
        yield Batch(table, told.drop_duplicates(list(TABLES[table].key), ignore_index=True), f"{table}.csv")


def standing(table: str, facts: pd.DataFrame) -> pd.DataFrame:
    """Other standing facts, from long before T."""
    if table == "devices":
        return facts.assign(device_model="A1", region="south pole", warranty_until=T + 400 * DAY, customer_id="C000001")
    return facts.assign(segment="other", since=facts["since"] - 30 * DAY)


def moved(table: str, rows: pd.DataFrame, moment: pd.Timestamp) -> pd.DataFrame:
    """Rows as new facts of another moment, one for each owner."""
    one = rows.drop_duplicates("customer_id" if "customer_id" in rows.columns else "device_id")
    key = IDS.get(table)
    ids = {} if key is None else {key: one[key] + f"-{(T - moment).total_seconds():.6f}"}
    return one.assign(**{str(TABLES[table].event_time): moment}, **ids)


def other(table: str, rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with another content, which makes those under a known key corrections."""
    if table == "telemetry":
        sensors = [str(name) for name in rows.columns if not TABLES[table].has(str(name))]
        return rows.assign(**{name: rows[name] * 0.9 + 1 for name in sensors})
    if table == "repairs":
        return rows.assign(kind="corrective", outcome="replaced", closed_at=rows["opened_at"], component="pump")
    if table == "contacts":
        return rows.assign(kind="complaint", csat=1.0, resolution_hours=500.0)
    if table == "purchases":
        return rows.assign(amount=9_999.0)
    return rows.assign(severity="other") if table == "faults" else rows


@pytest.fixture(scope="module")
def told_late(fleet_workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The fleet as it was known at T, then the late rows in a second import."""
    workspace = create_workspace(tmp_path_factory.mktemp("late") / "fleet", fleet_workspace.fleet)
    known = {table: fleet_workspace.store.read(table, known_at=T) for table in ("devices", "customers", *CLOCKED)}
    add(workspace, *(Batch(table, frame, f"{table}.csv") for table, frame in known.items()))
    add(workspace, *late(workspace.store))
    return workspace


@pytest.mark.parametrize("kind", KINDS)
def test_rows_known_after_a_cutoff_change_no_bit_at_it(
    told_late: Workspace, fleet_workspace: Workspace, kind: str
) -> None:
    before, after = (cases(workspace, kind, T - 7 * DAY, T) for workspace in (fleet_workspace, told_late))
    assert after.dictionary_hash == before.dictionary_hash
    for moment in (T - 7 * DAY, T):
        assert_same_bits(rows_at(after, moment), rows_at(before, moment))


@pytest.mark.parametrize("kind", KINDS)
def test_every_view_reads_them_as_soon_as_they_are_known(told_late: Workspace, kind: str) -> None:
    """So that the test before this one could have failed for every view."""
    soon = T + 2 * SOON
    deaf = rows_at(cases(told_late, kind, soon, known_at=T), soon)
    found = rows_at(cases(told_late, kind, soon), soon)
    both = deaf.index.intersection(found.index)
    changed = {name for name in found.columns if not found[name].loc[both].equals(deaf[name].loc[both])}
    grain: Grain = "device_id" if kind == "failure" else "customer_id"
    loaded = (load_history if kind == "failure" else load_customer_history)(told_late.store, told_late.fleet)
    dictionary = feature_dictionary(told_late.fleet, grain, loaded.attributes)
    views = {feature.view for feature in dictionary if feature.name in changed}
    assert {view.name for view in views_of(grain)} <= views


@pytest.mark.parametrize("kind", KINDS)
def test_a_store_read_as_of_a_cutoff_gives_the_same_bits_as_the_whole(fleet_workspace: Workspace, kind: str) -> None:
    whole, cut = (cases(fleet_workspace, kind, T, known_at=moment) for moment in (None, T))
    assert_same_bits(rows_at(cut, T), rows_at(whole, T))


def test_a_fact_exactly_at_the_cutoff_is_a_feature_and_no_label(own_fleet: Workspace) -> None:
    """And a microsecond before, a label and no feature."""
    device, code = str(cases(own_fleet, "failure", T).examples.ids[0]), own_fleet.fleet.fault_codes[0].code
    fact = {"device_id": device, "event_time": T, "available_at": T}
    counts = [f"{code}_count_24h", "pump_failures_life"]
    before = rows_at(cases(own_fleet, "failure", T - SOON, T), T).loc[[device], counts].to_numpy()[0]
    faults, failures = (pd.DataFrame([fact | more]) for more in ({"code": code}, {"component": "pump"}))
    add(own_fleet, Batch("faults", faults, "faults.csv"), Batch("failures", failures, "failures.csv"))
    asked = cases(own_fleet, "failure", T - SOON, T)
    at_cutoff, earlier = (rows_at(asked, moment).loc[[device], counts].to_numpy()[0] for moment in (T, T - SOON))
    assert (at_cutoff - before).tolist() == [1, 1]
    assert (earlier - before).tolist() == [0, 0]
    labels = asked.labels(load_outcome(own_fleet.store, own_fleet.fleet), T + 7 * DAY)
    time = pd.Series(labels.time_to_event_us[:, labels.components.index("pump")], index=asked.examples.cutoff_us)
    earlier_time, time_at = time[asked.examples.ids == device].loc[[timestamp_us(T) - 1, timestamp_us(T)]]
    assert earlier_time == 1
    assert time_at > DAY_US


@pytest.mark.parametrize("seed", [0, 1])
def test_neither_the_order_of_imports_nor_repetition_changes_a_bit(
    fleet_workspace: Workspace, tmp_path: Path, seed: int
) -> None:
    """Each row comes in one or two of three imports, shuffled, so that early facts come last and some come twice."""
    order = np.random.default_rng(seed)
    devices = fleet_workspace.store.read("devices", known_at=T)
    some = devices["device_id"].unique()[:12]
    tables = {name: fleet_workspace.store.read(name, device_ids=some) for name in ("devices", *CLOCKED[:4])}
    mixed, plain = (create_workspace(tmp_path / name, fleet_workspace.fleet) for name in ("mixed", "plain"))
    add(plain, *(Batch(name, frame, name) for name, frame in tables.items()))
    for turn in range(3):
        batches = []
        for name, frame in tables.items():
            place = np.random.default_rng(seed + 9).integers(0, 3, len(frame))
            chosen = (place == turn) | ((place == turn - 1) & (order.random(len(frame)) < 0.3))
            rows = frame if name == "devices" else frame[chosen]
            batches.append(Batch(name, rows.sample(frac=1, random_state=order), f"{name}-{turn}"))
        report = ingest(mixed.store, batches, mixed.fleet, origin="mixed")
        assert all(table.quarantined == {} for table in report.tables.values())
    moments = (T - 7 * DAY, T, T + 3 * DAY)
    left, right = (cases(workspace, "failure", *moments) for workspace in (mixed, plain))
    for moment in moments:
        assert_same_bits(rows_at(left, moment), rows_at(right, moment))
