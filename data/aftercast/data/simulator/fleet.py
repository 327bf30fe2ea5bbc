"""What each device is before time starts; device k depends on the seed and k alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aftercast.data.fleet import ChurnSettings, Component, Costs, FaultCode, FleetSpec, Sensor
from aftercast.data.simulator.config import COMPONENTS, MODELS, REGIONS, FleetConfig

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def generator(seed: int, stream: int, index: int) -> np.random.Generator:
    """Return the generator of one thing (device or customer) in one stream of draws."""
    return np.random.default_rng(np.random.SeedSequence([seed, stream, index]))


@dataclass(frozen=True)
class Device:
    """One device. Days count from the start; ``install`` may be negative, ``retire`` is `days` where never."""

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
    """Draw one device. ``maintenance`` is (days,): component served on that day, -1 for none."""
    rng = generator(seed, 1, index)
    install = int(rng.integers(-700, max(1, int(days * 0.6))))
    retired, retire_at = rng.random() < config.retired_share, int(rng.integers(days // 2, days))
    region = int(rng.integers(len(REGIONS)))
    return Device(
        index=index,
        model=int(rng.integers(len(MODELS))),
        lot=int(rng.integers(1, 13)),
        generation=1 + int(install > -350) + int(install > 0.2 * days),
        region=region,
        outlet=region * 2 + int(rng.integers(2)),
        install=install,
        retire=retire_at if retired and retire_at > install + 5 else days,
        load=float(rng.normal(0, 0.5)),
        offsets=rng.normal(0, 1, 4),
        wear_rate=config.wear_rate * rng.lognormal(0, config.wear_spread, len(COMPONENTS)),
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
    """Return the customer of each device, shape (devices,): groups of 1 to 2 (85 %) or 8 (15 %), for any fleet size."""
    draws = generator(seed, 3, 0).random(devices)
    sizes = np.where(draws < 0.85, 1 + (draws < 0.4), 8).astype(np.int64)
    return np.repeat(np.arange(devices), sizes)[:devices]


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
    )
