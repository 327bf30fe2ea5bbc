"""What each device is before time starts; device k depends on the seed and k alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from aftercast.data.arrays import Floats, Ints
from aftercast.data.fleet import ChurnSettings, Component, Costs, FaultCode, FleetSpec, Sensor, TableSettings
from aftercast.data.simulator.config import COMPONENTS, MODELS, REGIONS, FleetConfig


def generator(seed: int, stream: int, index: int) -> np.random.Generator:
    """Return the generator of one thing (device or customer) in one stream of draws."""
    return np.random.default_rng(np.random.SeedSequence([seed, stream, index]))


@dataclass(frozen=True)
class Device:
    """One device. Days count from the start; ``install`` may be negative, ``retire`` is `days` where never.

    Attributes
    ----------
    load
        How hard the device is worked: normal around 0 with standard deviation 0.5.
    offsets
        Of the sensors, in units of their spread between devices, shape (4,).
    wear_rate
        Wear per day of each component, shape (C,).
    renewed
        Day of each component's last renewal before it is simulated, shape (C,): installation, or a maintenance.
    maintenance
        Component served on each day, -1 for none, shape (days,).
    """

    index: int
    model: int
    lot: int
    generation: int
    region: int
    outlet: int
    install: int
    retire: int
    load: float
    offsets: Floats
    wear_rate: Floats
    renewed: Ints
    maintenance: Ints
    customer: int

    @property
    def name(self) -> str:
        """Its device_id."""
        return f"D{self.index:06d}"

    @property
    def first_day(self) -> int:
        """First simulated day in the field."""
        return max(self.install, 0)


def make_device(index: int, customer: int, days: int, seed: int, config: FleetConfig) -> Device:
    """Draw one device."""
    rng, parts = generator(seed, 1, index), len(COMPONENTS)
    install = int(rng.integers(-700, max(1, int(days * 0.6))))
    retired, retire_at = rng.random() < config.retired_share, int(rng.integers(days // 2, days))
    region, load = int(rng.integers(len(REGIONS))), float(rng.normal(0, 0.5))
    wear_rate = config.wear_rate * rng.lognormal(config.wear_load_effect * load, config.wear_spread, parts)
    return Device(
        index=index,
        model=int(rng.integers(len(MODELS))),
        lot=int(rng.integers(1, 13)),
        generation=1 + int(install > -350) + int(install > 0.2 * days),
        region=region,
        outlet=region * 2 + int(rng.integers(2)),
        install=install,
        retire=retire_at if retired and retire_at > install + 5 else days,
        load=load,
        offsets=rng.normal(0, 1, 4),
        wear_rate=wear_rate,
        renewed=np.maximum(install, -rng.integers(1, config.oldest_part_days + 1, parts)),
        maintenance=_maintenance(rng, install, days, config),
        customer=customer,
    )


def _maintenance(rng: np.random.Generator, install: int, days: int, config: FleetConfig) -> Ints:
    plan = np.full(days, -1, dtype=np.int64)
    served = int(rng.integers(len(COMPONENTS)))
    for visit, day in enumerate(range(install + config.preventive_every_days, days, config.preventive_every_days)):
        moved = day + int(rng.integers(-10, 11))
        if 0 <= moved < days:
            plan[moved] = (served + visit) % len(COMPONENTS)
    return plan


def customers_of(devices: int, seed: int) -> Ints:
    """Return the customer of each device, shape (devices,): 1 (70 %), 2 (24 %) or 4 (6 %) each, for any fleet size."""
    draws = generator(seed, 3, 0).random(devices)
    sizes = np.where(draws < 0.94, 1 + (draws < 0.24), 4).astype(np.int64)
    return np.repeat(np.arange(devices), sizes)[:devices]


def chunks(customers: Ints, size: int) -> Iterator[range]:
    """Yield ranges of devices of the size or a little more: no customer's devices lie in two.

    ``customers`` holds the customer of each device in ascending order, shape (devices,).
    """
    first = 0
    while first < len(customers):
        last = min(first + size, len(customers))
        last = int(np.searchsorted(customers, customers[last - 1], side="right"))
        yield range(first, last)
        first = last


def fleet_spec() -> FleetSpec:
    """Return the fleet spec of the simulated world."""
    return FleetSpec(
        name="simulated",
        sensors=(
            Sensor(name="temperature_c", unit="°C", low=-40, high=200),
            Sensor(name="vibration_mm_s", unit="mm/s", low=0, high=100),
            Sensor(name="current_a", unit="A", low=0, high=100),
            Sensor(name="pressure_bar", unit="bar", low=0, high=50),
            Sensor(name="running_hours", unit="h", low=0, high=1e6, cumulative=True),
        ),
        components=tuple(Component(name=name, sku=f"SKU-{name.upper()}") for name in COMPONENTS),
        fault_codes=(
            *(FaultCode(code=f"E-{name.upper()}", about=f"{name} out of its usual range") for name in COMPONENTS),
            FaultCode(code="N-01", about="nuisance: door or network"),
        ),
        churn=ChurnSettings(rule="left_at", horizons=("30d", "60d", "90d")),
        costs=Costs(),
        tables={name: TableSettings(followed_until="observed") for name in ("failures", "repairs", "customers")},
    )
