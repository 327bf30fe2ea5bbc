"""Runs the world chunk by chunk and writes tables, fleet spec and truth."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from aftercast.data.clocks import DAY_US, parse_time, timestamp_us
from aftercast.data.contract import TABLES
from aftercast.data.simulator.config import COMPONENTS, MODELS, REGIONS, FleetConfig, Run
from aftercast.data.simulator.customers import CustomerLife, Experience, live
from aftercast.data.simulator.fleet import Device, customers_of, fleet_spec, make_device
from aftercast.data.simulator.hazards import DevicePath, walk
from aftercast.data.simulator.mess import spoil
from aftercast.data.simulator.service import serve
from aftercast.data.simulator.telemetry import readings
from aftercast.data.simulator.truth import hazard_tables, write_churn, write_part, write_treatments
from aftercast.data.simulator.write import Row, Tables, rows_table, telemetry_table
from aftercast.data.workspace import write_fleet

Progress = Callable[[str, int], None]
LARGE: Final = ("telemetry", "faults", "repairs", "contacts")
"""Tables written in parts, never whole in memory."""


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


class _World:
    """One run: the small tables, and what customers felt, until they are written."""

    def __init__(self, folder: Path, run: Run) -> None:
        self.truth, self.run = folder / "truth", run
        for place in (folder / "tables", self.truth):
            place.mkdir(parents=True, exist_ok=True)
        self.tables = Tables(folder / "tables")
        self.rows: dict[str, list[Row]] = defaultdict(list)
        self.treatments: list[Row] = []
        self.experience: dict[int, Experience] = defaultdict(list)
        self.owned: dict[int, list[Device]] = defaultdict(list)
        self.writers: list[pq.ParquetWriter | None] = [None, None]

    def chunk(self, number: int, devices: list[Device]) -> None:
        """Simulate and write some devices."""
        telemetry, truths, large = [], [], defaultdict[str, list[Row]](list)
        for device in devices:
            path = walk(device, self.run)
            telemetry.append(_delivered(device, path, self.run))
            truths.append(hazard_tables(device, path, self.run.start_us))
            service = serve(device, path, self.run)
            for name, rows in service.rows.items():
                (large if name in LARGE else self.rows)[name] += rows
            self.rows["devices"] += _device_rows(device, self.run)
            self.treatments += service.treatments
            self.owned[device.customer].append(device)
            self.experience[device.customer] += [(*e, device.name, device.outlet) for e in service.experience]
        self.tables.part("telemetry", number, pa.concat_tables(telemetry))
        for name in ("faults", "repairs"):
            self.tables.part(name, number, rows_table(name, large[name]))
        for at, name in enumerate(("hazards", "probabilities")):
            self.writers[at] = write_part(self.writers[at], self.truth / f"{name}.parquet", [t[at] for t in truths])

    def finish(self) -> dict[str, int]:
        """Write customers and everything kept; return rows per table."""
        for writer in self.writers:
            if writer is not None:
                writer.close()
        owners, size = sorted(self.owned), self.run.config.chunk_devices
        lives: list[CustomerLife] = []
        for number, first in enumerate(range(0, len(owners), size)):
            lives += self._customers(number, owners[first : first + size])
        self.rows["stock"], self.rows["capacity"] = _stock(self.run.start_us), _capacity(self.run)
        write_churn(self.truth, lives, self.run.start_us)
        write_treatments(self.truth, self.treatments)
        for name in TABLES:
            if name not in LARGE:
                self.tables.whole(name, self.rows[name])
        return {name: self.tables.counts[name] for name in TABLES}

    def _customers(self, number: int, owners: list[int]) -> list[CustomerLife]:
        """Simulate and write some customers."""
        lives = [live(index, self.owned[index], self.experience[index], self.run) for index in owners]
        large: list[Row] = []
        for life in lives:
            for name, rows in life.rows.items():
                kept = large if name in LARGE else self.rows[name]
                kept += [row for row in rows if row["available_at"] <= self.run.end_us]
            life.rows.clear()
        self.tables.part("contacts", number, rows_table("contacts", large))
        return lives


def _delivered(device: Device, path: DevicePath, run: Run) -> pa.Table:
    values = readings(device, path.wear, run.seed)
    event, available, values = spoil(device, values, run.start_us, run.seed, run.config)
    seen = available <= run.end_us
    return telemetry_table(device.name, event[seen], available[seen], values[seen])


def simulate(
    folder: Path,
    *,
    devices: int,
    days: int,
    seed: int,
    config: FleetConfig | None = None,
    progress: Progress | None = None,
) -> SimulationSummary:
    """Simulate a fleet hour by hour and write it to a folder.

    Parameters
    ----------
    folder
        Gets ``tables/``, ``fleet.toml`` and ``truth/``; files of an earlier run are overwritten.
    devices, days
        Size of the fleet and length of the period, which starts at ``config.start``, 00:00 UTC.
    seed
        The same seed, days and config make the same files; device k does not depend on the number of devices.
    progress
        Called with a message and the devices done so far.
    """
    began, chosen = time.monotonic(), FleetConfig() if config is None else config
    world = _World(folder, Run(days, timestamp_us(parse_time(chosen.start)), seed, chosen))
    customers = customers_of(devices, seed)
    for number, first in enumerate(range(0, devices, chosen.chunk_devices)):
        last = min(first + chosen.chunk_devices, devices)
        world.chunk(number, [make_device(k, int(customers[k]), days, seed, chosen) for k in range(first, last)])
        if progress is not None:
            progress("devices", last)
    tables = world.finish()
    write_fleet(folder / "fleet.toml", fleet_spec())
    return SimulationSummary(folder, tables, time.monotonic() - began)


def _device_rows(device: Device, run: Run) -> list[Row]:
    installed = run.start_us + device.install * DAY_US
    row: Row = {
        "device_id": device.name,
        "device_model": MODELS[device.model],
        "installed_at": installed,
        "customer_id": f"C{device.customer:06d}",
        "outlet_id": f"O{device.outlet:02d}",
        "region": REGIONS[device.region],
        "warranty_until": installed + 730 * DAY_US,
        "firmware": f"{device.generation}.{device.index % 3}",
        "lot": f"L{device.lot:02d}",
        "hardware_generation": f"G{device.generation}",
        "available_at": installed,
    }
    if device.retire == run.days:
        return [row]
    gone = run.start_us + device.retire * DAY_US
    return [row, row | {"retired_at": gone, "available_at": gone}]


def _stock(start: int) -> list[Row]:
    return [
        {
            "sku": f"SKU-{part.upper()}",
            "component": part,
            "outlet_id": f"O{outlet:02d}",
            "on_hand": float(3 + (outlet + at) % 5),
            "unit_cost": 40.0 + 25 * at,
            "lead_time_days": 5.0 + 3 * at,
            "available_at": start,
        }
        for outlet in range(2 * len(REGIONS))
        for at, part in enumerate(COMPONENTS)
    ]


def _capacity(run: Run) -> list[Row]:
    first = pd.Timestamp(run.start_us, unit="us").date()
    return [
        {
            "outlet_id": f"O{outlet:02d}",
            "date": first + timedelta(days=day),
            "technician_hours": 16.0 if (first + timedelta(days=day)).weekday() < 5 else 4.0,
            "available_at": run.start_us,
        }
        for outlet in range(2 * len(REGIONS))
        for day in range(run.days)
    ]
