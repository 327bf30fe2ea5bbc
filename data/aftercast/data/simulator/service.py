"""What service did about a device: work orders (opened, then closed), parts, confirmed failures, faults, actions."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from aftercast.data.arrays import Floats
from aftercast.data.simulator.config import COMPONENTS, FleetConfig, Run
from aftercast.data.simulator.fleet import Device, generator
from aftercast.data.simulator.hazards import FAILURE, HOLDOUT, PREVENTIVE, DevicePath
from aftercast.data.simulator.write import Row
from aftercast.operations.clocks import DAY_US, HOUR_US, NEVER

FAULT_CODES = (*(f"E-{part.upper()}" for part in COMPONENTS), "N-01")


class Service:
    """Records of one device.

    Attributes
    ----------
    rows
        Rows by table.
    experience
        Failures as felt: day, days waited, repeat, component.
    treatments
        The truth of every triggered proactive case.
    """

    def __init__(self, device: Device, run: Run) -> None:
        self.device, self.run = device, run
        self.gone = run.start_us + device.retire * DAY_US if device.retire < run.days else NEVER
        self.rng = generator(run.seed, 6, device.index)
        self.rows: dict[str, list[Row]] = defaultdict(list)
        self.experience: list[tuple[int, int, bool, str]] = []
        self.treatments: list[Row] = []

    def earlier(self) -> None:
        """Write down the maintenance that renewed components before the start."""
        for part, day in zip(COMPONENTS, self.device.renewed, strict=True):
            if day > self.device.install:
                at = self.run.start_us + int(day) * DAY_US
                self.order(("preventive", part, "adjusted"), at - 2 * HOUR_US, at)

    def record(self, event: Floats) -> None:
        """Write down one event of the device's path, shape (7,)."""
        kind, part, wait = int(event[0]), COMPONENTS[int(event[2])], int(event[3])
        at = self.run.start_us + int(event[1] * DAY_US)
        if kind == FAILURE:
            known = at + int(self.rng.integers(1, 12)) * HOUR_US
            day = int(event[1])
            self.rows["failures"].append(
                {"device_id": self.device.name, "event_time": at, "component": part, "available_at": known}
            )
            self.experience.append((day, wait, bool(event[4] > 0), part))
            closed = self.run.start_us + (day + wait) * DAY_US + int(self.rng.integers(13, 18)) * HOUR_US
            self.order(("corrective", part, "replaced"), known, closed)
        elif kind == PREVENTIVE:
            self.order(("preventive", part, "adjusted"), at, at + 2 * HOUR_US)
        else:
            self.action(event, at)

    def action(self, event: Floats, at: int) -> None:
        """Write down a proactive case, and its visit unless it is held out."""
        part, holdout = COMPONENTS[int(event[2])], int(event[0]) == HOLDOUT
        decided = at - 6 * HOUR_US
        case: Row = {
            "action_id": f"A-{self.device.name}-{len(self.treatments):03d}",
            "device_id": self.device.name,
            "arm": "holdout" if holdout else "treated",
            "decided_at": decided,
        }
        customer = {"customer_id": f"C{self.device.customer:06d}"}
        self.rows["actions"].append(case | customer | {"kind": "proactive_visit", "available_at": decided})
        hazards = {"hazard_30d_treated": event[5], "hazard_30d_untreated": event[6]}
        self.treatments.append(case | {"component": part} | hazards)
        if not holdout:
            self.order(("proactive", part, "replaced"), at - 5 * HOUR_US, at)

    def order(self, what: tuple[str, str | None, str], opened: int, closed: int) -> None:
        """Write a work order of a kind, component and outcome: one row when opened, one an hour after it closed.

        Nothing is opened after the device retired; what is open then is closed without a result.
        """
        kind, part, outcome = what
        if opened >= self.gone:
            return
        if closed > self.gone:
            closed, outcome = self.gone, "unknown"
        number = f"W-{self.device.name}-{len(self.rows['repairs']):05d}"
        row: Row = {
            "work_order_id": number,
            "device_id": self.device.name,
            "opened_at": opened,
            "kind": kind,
            "component": part,
            "outlet_id": f"O{self.device.outlet:02d}",
            "technician_id": f"T{self.device.outlet:02d}{int(self.rng.integers(4))}",
            "available_at": opened,
        }
        labour = float(self.rng.gamma(4, 0.4))
        done = {"closed_at": closed, "outcome": outcome, "labour_hours": labour, "cost": 40 + 55 * labour}
        self.rows["repairs"] += [row, row | done | {"available_at": closed + HOUR_US}]
        if outcome == "replaced":
            used = {"work_order_id": number, "sku": f"SKU-{str(part).upper()}", "quantity": 1.0}
            self.rows["parts_used"].append(used | {"available_at": closed + HOUR_US})

    def faults(self, wear: Floats) -> None:
        """Write fault codes; Poisson per day with the rates of `fault_rates`, wear of shape (days, C)."""
        counts = self.rng.poisson(fault_rates(wear, self.run.config))
        for day, code in zip(*np.nonzero(counts), strict=True):
            if self.device.first_day <= day < self.device.retire:
                for _ in range(counts[day, code]):
                    self._fault(int(day), int(code))

    def _fault(self, day: int, code: int) -> None:
        at = self.run.start_us + day * DAY_US + int(self.rng.integers(DAY_US))
        nuisance = code == len(COMPONENTS)
        self.rows["faults"].append(
            {
                "device_id": self.device.name,
                "event_time": at,
                "code": FAULT_CODES[code],
                "severity": "info" if nuisance else "warning",
                "available_at": at + int(self.rng.integers(1, 30)) * 60_000_000,
            }
        )
        if nuisance and self.rng.random() < self.run.config.nuisance_visit_share:
            self.order(("corrective", None, "no_fault_found"), at + 3 * HOUR_US, at + 30 * HOUR_US)

    def other_visits(self) -> None:
        """Write inspections, and visits that found no fault."""
        config = self.run.config
        draws = self.rng.random(max(self.device.retire, 1))
        for day in np.flatnonzero(draws < config.no_fault_rate + config.inspection_rate):
            if day >= self.device.first_day:
                at = self.run.start_us + int(day) * DAY_US + 9 * HOUR_US
                inspection = draws[day] < config.inspection_rate
                kind, outcome = ("inspection", "unknown") if inspection else ("corrective", "no_fault_found")
                self.order((kind, None, outcome), at, at + 26 * HOUR_US)


def serve(device: Device, path: DevicePath, run: Run) -> Service:
    """Turn a device's life into records; nothing becomes available after the end."""
    service = Service(device, run)
    service.earlier()
    for event in path.events:
        service.record(event)
    service.faults(path.wear)
    service.other_visits()
    for name, rows in service.rows.items():
        service.rows[name] = [row for row in rows if row["available_at"] <= run.end_us]
    return service


def fault_rates(wear: Floats, config: FleetConfig) -> Floats:
    """Codes per day, shape (days, C + 1): 0.002 + 0.4 max(0, wear - 1)^2 per component, then the nuisance code."""
    rate = 0.002 + 0.4 * np.maximum(np.nan_to_num(wear) - 1, 0) ** 2
    return np.column_stack([rate, np.full(len(rate), config.nuisance_rate)])
