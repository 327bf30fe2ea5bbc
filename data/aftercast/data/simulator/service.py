"""What service did about a device: work orders (opened, then closed), parts, confirmed failures, faults, actions."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from aftercast.data.clocks import DAY_US, HOUR_US
from aftercast.data.simulator.config import COMPONENTS, FleetConfig
from aftercast.data.simulator.fleet import Device, generator
from aftercast.data.simulator.hazards import FAILURE, HOLDOUT, PREVENTIVE, DevicePath
from aftercast.data.simulator.write import Row


@dataclass
class Service:
    """Rows of every service table of one device, and failures as felt (day, wait, repeat, part)."""

    rows: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    experience: list[tuple[int, int, bool, str]] = field(default_factory=list)
    treatments: list[Row] = field(default_factory=list)


def serve(device: Device, path: DevicePath, start_us: int, end_us: int, seed: int, config: FleetConfig) -> Service:  # noqa: PLR0917
    """Turn a device's life into records; nothing becomes available after the end."""
    rng, service = generator(seed, 6, device.index), Service()
    for event in path.events:
        _record(service, device, event, start_us, rng)
    _faults(service, device, path, start_us, rng, config)
    _other_visits(service, device, start_us, rng, config)
    for name, rows in service.rows.items():
        service.rows[name] = [row for row in rows if row["available_at"] <= end_us]
    return service


def _record(
    service: Service,
    device: Device,
    event: np.ndarray[tuple[int], np.dtype[np.float64]],
    start_us: int,
    rng: np.random.Generator,
) -> None:
    kind, part, wait = int(event[0]), COMPONENTS[int(event[2])], int(event[3])
    at = start_us + int(event[1] * DAY_US)
    if kind == FAILURE:
        known = at + int(rng.integers(1, 12)) * HOUR_US
        day = int(event[1])
        service.rows["failures"].append(
            {"device_id": device.name, "event_time": at, "component": part, "available_at": known}
        )
        service.experience.append((day, wait, bool(event[4] > 0), part))
        closed = start_us + (day + wait) * DAY_US + int(rng.integers(13, 18)) * HOUR_US
        _order(service, device, "corrective", part, "replaced", known, closed, rng)
    elif kind == PREVENTIVE:
        _order(service, device, "preventive", part, "adjusted", at, at + 2 * HOUR_US, rng)
    else:
        _action(service, device, event, at, rng)


def _action(
    service: Service,
    device: Device,
    event: np.ndarray[tuple[int], np.dtype[np.float64]],
    at: int,
    rng: np.random.Generator,
) -> None:
    part, holdout = COMPONENTS[int(event[2])], int(event[0]) == HOLDOUT
    name = f"A-{device.name}-{len(service.treatments):03d}"
    arm = "holdout" if holdout else "treated"
    decided = at - 6 * HOUR_US
    service.rows["actions"].append(
        {
            "action_id": name,
            "device_id": device.name,
            "customer_id": f"C{device.customer:06d}",
            "decided_at": decided,
            "kind": "proactive_visit",
            "arm": arm,
            "available_at": decided,
        }
    )
    service.treatments.append(
        {
            "action_id": name,
            "device_id": device.name,
            "component": part,
            "arm": arm,
            "decided_at": decided,
            "hazard_30d_treated": event[5],
            "hazard_30d_untreated": event[6],
        }
    )
    if not holdout:
        _order(service, device, "proactive", part, "replaced", at - 5 * HOUR_US, at, rng)


def _order(  # noqa: PLR0917
    service: Service,
    device: Device,
    kind: str,
    part: str | None,
    outcome: str,
    opened: int,
    closed: int,
    rng: np.random.Generator,
) -> None:
    number = f"W-{device.name}-{len(service.rows['repairs']):05d}"
    row: Row = {
        "work_order_id": number,
        "device_id": device.name,
        "opened_at": opened,
        "kind": kind,
        "component": part,
        "outlet_id": f"O{device.outlet:02d}",
        "technician_id": f"T{device.outlet:02d}{int(rng.integers(4))}",
        "available_at": opened,
    }
    labour = float(rng.gamma(4, 0.4))
    done = {"closed_at": closed, "outcome": outcome, "labour_hours": labour, "cost": 40 + 55 * labour}
    service.rows["repairs"] += [row, row | done | {"available_at": closed + HOUR_US}]
    if outcome == "replaced":
        used = {"work_order_id": number, "sku": f"SKU-{str(part).upper()}", "quantity": 1.0}
        service.rows["parts_used"].append(used | {"available_at": closed + HOUR_US})


def _faults(  # noqa: PLR0917
    service: Service, device: Device, path: DevicePath, start_us: int, rng: np.random.Generator, config: FleetConfig
) -> None:
    """Codes per day: Poisson of 0.004 + 0.5 max(0, wear - 0.8) per component, and the nuisance rate."""
    rate = 0.004 + 0.5 * np.maximum(np.nan_to_num(path.wear) - 0.8, 0)
    rate = np.column_stack([rate, np.full(len(rate), config.nuisance_rate)])
    counts = rng.poisson(rate)
    for day, code in zip(*np.nonzero(counts), strict=True):
        if not device.first_day <= day < device.retire:
            continue
        names = (*(f"E-{part.upper()}" for part in COMPONENTS), "N-01")
        for _ in range(counts[day, code]):
            at = start_us + int(day) * DAY_US + int(rng.integers(DAY_US))
            service.rows["faults"].append(
                {
                    "device_id": device.name,
                    "event_time": at,
                    "code": names[code],
                    "severity": "info" if code == len(COMPONENTS) else "warning",
                    "available_at": at + int(rng.integers(1, 30)) * 60_000_000,
                }
            )
            if code == len(COMPONENTS) and rng.random() < config.nuisance_visit_share:
                _order(service, device, "corrective", None, "no_fault_found", at + 3 * HOUR_US, at + 30 * HOUR_US, rng)


def _other_visits(
    service: Service, device: Device, start_us: int, rng: np.random.Generator, config: FleetConfig
) -> None:
    draws = rng.random(max(device.retire, 1))
    for day in np.flatnonzero(draws < config.no_fault_rate + config.inspection_rate):
        if day >= device.first_day:
            at = start_us + int(day) * DAY_US + 9 * HOUR_US
            inspection = draws[day] < config.inspection_rate
            kind, outcome = ("inspection", "unknown") if inspection else ("corrective", "no_fault_found")
            _order(service, device, kind, None, outcome, at, at + 26 * HOUR_US, rng)
