"""Runs the world by chunks of devices with all their customers, so that memory does not grow with the fleet."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import pandas as pd
import pyarrow as pa

from aftercast.data.contract import TABLES
from aftercast.data.simulator.config import FleetConfig, Run
from aftercast.data.simulator.customers import CustomerLife, Experience, live
from aftercast.data.simulator.fleet import Device, chunks, customers_of, fleet_spec, make_device
from aftercast.data.simulator.hazards import DevicePath, walk
from aftercast.data.simulator.mess import spoil
from aftercast.data.simulator.service import serve
from aftercast.data.simulator.standing import capacity, device_rows, stock
from aftercast.data.simulator.telemetry import readings
from aftercast.data.simulator.truth import churn_table, hazard_tables, treatment_table
from aftercast.data.simulator.write import Growing, Row, Tables, rows_table, telemetry_table
from aftercast.data.workspace import write_fleet
from aftercast.operations.clocks import parse_time, timestamp_us

Progress = Callable[[str, int], None]
LARGE: Final = ("faults", "repairs", "contacts")
"""Tables written as a file for each chunk of devices, as telemetry is; the others are one file that grows."""
PER_DEVICE: Final = tuple(name for name in TABLES if name not in ("telemetry", "stock", "capacity"))
"""Tables whose rows come with devices and their customers."""


@dataclass(frozen=True)
class SimulationSummary:
    """What was written: rows per table, seconds taken, folder."""

    folder: Path
    tables: dict[str, int]
    seconds: float

    def to_dict(self) -> dict[str, object]:
        """Return it as plain values."""
        return asdict(self) | {"folder": str(self.folder)}

    def text(self) -> str:
        """Return it as lines for people."""
        lines = [f"{name}: {rows:,}" for name, rows in self.tables.items()]
        return "\n".join([*lines, f"in {self.folder}, {self.seconds:.1f} s"])


class _Chunk:
    """Some devices and all their customers: simulated, written, forgotten."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.telemetry: list[pa.Table] = []
        self.hazards: list[pa.Table] = []
        self.probabilities: list[pa.Table] = []
        self.lives: list[CustomerLife] = []
        self.rows: dict[str, list[Row]] = defaultdict(list)
        self.treatments: list[Row] = []
        self.experience: dict[int, Experience] = defaultdict(list)
        self.owned: dict[int, list[Device]] = defaultdict(list)

    def device(self, device: Device) -> None:
        """Simulate one device."""
        path = walk(device, self.run)
        self.telemetry.append(_delivered(device, path, self.run))
        hazards, probabilities = hazard_tables(device, path, self.run.start_us)
        self.hazards.append(hazards)
        self.probabilities.append(probabilities)
        service = serve(device, path, self.run)
        for name, rows in service.rows.items():
            self.rows[name] += rows
        self.rows["devices"] += device_rows(device, self.run)
        self.treatments += service.treatments
        self.owned[device.customer].append(device)
        self.experience[device.customer] += [(*e, device.name, device.outlet) for e in service.experience]

    def customers(self) -> None:
        """Simulate the customers, once their devices are."""
        for index, devices in self.owned.items():
            life = live(index, devices, self.experience[index], self.run)
            for name, rows in life.rows.items():
                self.rows[name] += [row for row in rows if row["available_at"] <= self.run.end_us]
            life.rows.clear()
            self.lives.append(life)

    def write(self, number: int, tables: Tables, truth: Growing) -> None:
        """Append everything to the tables and the truth."""
        tables.part("telemetry", number, pa.concat_tables(self.telemetry))
        for name in PER_DEVICE:
            content = rows_table(name, self.rows[name])
            if name in LARGE:
                tables.part(name, number, content)
            else:
                tables.append(name, content)
        truth.append("hazards", pa.concat_tables(self.hazards))
        truth.append("probabilities", pa.concat_tables(self.probabilities))
        truth.append("treatments", treatment_table(self.treatments))
        truth.append("churn", churn_table(self.lives, self.run.start_us))


def _delivered(device: Device, path: DevicePath, run: Run) -> pa.Table:
    values = readings(device, path.wear, run.seed)
    event, available, values = spoil(device, values, run.start_us, run.seed, run.config)
    seen = available <= run.end_us
    return telemetry_table(device.name, event[seen], available[seen], values[seen])


def _first_day(start: str, days: int, now: pd.Timestamp) -> pd.Timestamp:
    """Start of a period that is over by now: the one asked for, or so many years before it."""
    first = parse_time(start)
    while first + pd.Timedelta(days=days) > now:
        first -= pd.DateOffset(years=1)
    return first


def simulate(
    folder: Path,
    *,
    devices: int,
    days: int,
    seed: int,
    config: FleetConfig | None = None,
    now: pd.Timestamp | None = None,
    progress: Progress | None = None,
) -> SimulationSummary:
    """Simulate a fleet hour by hour and write it to a folder.

    Parameters
    ----------
    folder
        Gets ``tables/``, ``fleet.toml`` and ``truth/``; files of an earlier run are overwritten.
    devices, days
        Size of the fleet and length of the period. It starts at ``config.start``, 00:00 UTC; where it would end in the
        future, as many years earlier as it takes: imports refuse what has not happened yet.
    seed
        The same seed, days, config and start make the same files; device k does not depend on the number of devices.
    now
        When it is (UTC), the present by default; the start depends on it only where the period is not over.
    progress
        Called with a message and the devices done so far.
    """
    began, chosen = time.monotonic(), FleetConfig() if config is None else config
    first = _first_day(chosen.start, days, pd.Timestamp.now("UTC") if now is None else now)
    run = Run(days, timestamp_us(first), seed, chosen)
    customers = customers_of(devices, seed)
    with Tables(folder / "tables") as tables, Growing(folder / "truth") as truth:
        tables.append("stock", rows_table("stock", stock(run)))
        tables.append("capacity", rows_table("capacity", capacity(run)))
        for number, span in enumerate(chunks(customers, chosen.chunk_devices)):
            chunk = _Chunk(run)
            for k in span:
                chunk.device(make_device(k, int(customers[k]), days, seed, chosen))
            chunk.customers()
            chunk.write(number, tables, truth)
            if progress is not None:
                progress("devices", span.stop)
    write_fleet(folder / "fleet.toml", fleet_spec())
    counts = {name: tables.counts[name] for name in TABLES}
    return SimulationSummary(folder, counts, time.monotonic() - began)
