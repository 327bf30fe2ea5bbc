"""What stands as soon as it is known: devices, stock and the capacity of outlets."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd

from aftercast.data.simulator.config import COMPONENTS, MODELS, REGIONS, Run
from aftercast.data.simulator.fleet import Device
from aftercast.data.simulator.write import Row
from aftercast.operations.clocks import DAY_US


def device_rows(device: Device, run: Run) -> list[Row]:
    """Return what is known of a device when it is installed, and again when it is retired."""
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


def stock(run: Run) -> list[Row]:
    """Return the parts on hand in each outlet at the start."""
    return [
        {
            "sku": f"SKU-{part.upper()}",
            "component": part,
            "outlet_id": f"O{outlet:02d}",
            "on_hand": float(3 + (outlet + at) % 5),
            "unit_cost": 40.0 + 25 * at,
            "lead_time_days": 5.0 + 3 * at,
            "available_at": run.start_us,
        }
        for outlet in range(2 * len(REGIONS))
        for at, part in enumerate(COMPONENTS)
    ]


def capacity(run: Run) -> list[Row]:
    """Return the hours of technicians by outlet and day: 16 on working days, 4 at weekends."""
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
