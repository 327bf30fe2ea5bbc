"""Runs the world chunk by chunk and writes tables, fleet spec and truth."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from aftercast.data.clocks import DAY_US, parse_time, timestamp_us
from aftercast.data.simulator.config import COMPONENTS, MODELS, REGIONS, FleetConfig
from aftercast.data.simulator.customers import CustomerLife, Experience, live
from aftercast.data.simulator.fleet import Device, customers_of, fleet_spec, make_device
from aftercast.data.simulator.hazards import walk
from aftercast.data.simulator.mess import spoil
from aftercast.data.simulator.service import serve
from aftercast.data.simulator.telemetry import readings
from aftercast.data.simulator.truth import hazard_tables, write_churn, write_part, write_treatments
from aftercast.data.simulator.write import Row, telemetry_table, write_rows
from aftercast.data.workspace import write_fleet

Progress = Callable[[str, int], None]


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
    """One run: what accumulates while chunks are written."""

    def __init__(self, folder: Path, days: int, seed: int, config: FleetConfig) -> None:
        self.tables, self.truth = folder / "tables", folder / "truth"
        (self.tables / "telemetry").mkdir(parents=True, exist_ok=True)
        self.truth.mkdir(parents=True, exist_ok=True)
        self.days, self.seed, self.config = days, seed, config
        self.start = timestamp_us(parse_time(config.start))
        self.end = self.start + days * DAY_US
        self.rows: dict[str, list[Row]] = defaultdict(list)
        self.treatments: list[Row] = []
        self.experience: dict[int, Experience] = defaultdict(list)
        self.owned: dict[int, list[Device]] = defaultdict(list)
        self.telemetry = 0
        self.writers: list[pq.ParquetWriter | None] = [None, None]

    def chunk(self, number: int, devices: list[Device]) -> None:
        """Simulate and write some devices."""
        parts, truths = [], []
        for device in devices:
            path = walk(device, self.days, self.seed, self.config)
            values = readings(device, path.wear, self.seed)
            event, available, values = spoil(device, values, self.start, self.seed, self.config)
            seen = available <= self.end
            parts.append(telemetry_table(device.name, event[seen], available[seen], values[seen]))
            truths.append(hazard_tables(device, path, self.start))
            service = serve(device, path, self.start, self.end, self.seed, self.config)
            for name, rows in service.rows.items():
                self.rows[name] += rows
            self.rows["devices"] += _device_rows(device, self.start, self.days)
            self.treatments += service.treatments
            self.owned[device.customer].append(device)
            self.experience[device.customer] += [(*e, device.name, device.outlet) for e in service.experience]
        whole = pa.concat_tables(parts)
        self.telemetry += len(whole)
        pq.write_table(whole, self.tables / "telemetry" / f"part-{number:04d}.parquet")
        for at, name in enumerate(("hazards", "probabilities")):
            self.writers[at] = write_part(self.writers[at], self.truth / f"{name}.parquet", [t[at] for t in truths])

    def finish(self) -> dict[str, int]:
        """Write customers and everything kept; return rows per table."""
        for writer in self.writers:
            if writer is not None:
                writer.close()
        lives = [self._live(index) for index in sorted(self.owned)]
        for life in lives:
            for name, rows in life.rows.items():
                self.rows[name] += [row for row in rows if row["available_at"] <= self.end]
        self.rows["stock"], self.rows["capacity"] = _stock(self.start), _capacity(self.start, self.days)
        write_churn(self.truth, lives, self.start)
        write_treatments(self.truth, self.treatments)
        names = (
            "devices",
            "customers",
            "faults",
            "failures",
            "repairs",
            "parts_used",
            "purchases",
            "contacts",
            "stock",
            "capacity",
            "actions",
        )
        return {"telemetry": self.telemetry} | {name: write_rows(self.tables, name, self.rows[name]) for name in names}

    def _live(self, index: int) -> CustomerLife:
        owned = self.owned[index]
        return live(
            index, len(owned), owned[0].region, self.experience[index], self.days, self.start, self.seed, self.config
        )


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
    world = _World(folder, days, seed, chosen)
    for old in (folder / "tables" / "telemetry").glob("part-*.parquet"):
        old.unlink()
    customers = customers_of(devices, seed)
    for number, first in enumerate(range(0, devices, chosen.chunk_devices)):
        last = min(first + chosen.chunk_devices, devices)
        world.chunk(number, [make_device(k, int(customers[k]), days, seed, chosen) for k in range(first, last)])
        if progress is not None:
            progress("devices", last)
    tables = world.finish()
    write_fleet(folder / "fleet.toml", fleet_spec())
    return SimulationSummary(folder, tables, time.monotonic() - began)


def _device_rows(device: Device, start: int, days: int) -> list[Row]:
    installed = start + device.install * DAY_US
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
    if device.retire == days:
        return [row]
    gone = start + device.retire * DAY_US
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


def _capacity(start: int, days: int) -> list[Row]:
    first = pd.Timestamp(start, unit="us").date()
    return [
        {
            "outlet_id": f"O{outlet:02d}",
            "date": first + timedelta(days=day),
            "technician_hours": 16.0 if (first + timedelta(days=day)).weekday() < 5 else 4.0,
            "available_at": start,
        }
        for outlet in range(2 * len(REGIONS))
        for day in range(days)
    ]
