"""Every parameter of the simulated world; formulas are in the modules that use them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aftercast.operations.clocks import DAY_US

COMPONENTS: Final = ("pump", "motor", "heater", "valve")
SENSORS: Final = ("temperature_c", "vibration_mm_s", "current_a", "pressure_bar", "running_hours")
MODELS: Final = ("WM-100", "WM-200", "WM-300", "FR-10", "FR-20")
REGIONS: Final = ("north", "south", "east", "west")


@dataclass(frozen=True)
class FleetConfig:
    """Parameters of the world; rates are per day unless named otherwise, times are days.

    Attributes
    ----------
    start
        First day, 00:00 UTC.
    oldest_part_days
        At the start no component is older: its age is uniform up to here, by a renewal before the start.
    weibull_shape, weibull_scale_days
        Baseline hazard of a component's age; the scale has one value per component.
    wear_rate
        Median wear gained per day; a device-and-component factor is lognormal around it with ``wear_spread``, and
        the device's load acts by exp(``wear_load_effect`` x load).
    wear_onset, wear_ceiling
        Wear below the onset adds no danger; above the ceiling it stays.
    wear_effect, strain_effect, load_effect, lot_effect, generation_effect, season_effect
        Coefficients in the exponent of the hazard. The strain is the load's share in the effect of wear. The lot
        effect is the bad lot's, on the first component only; the generation effect is the newest generation's.
    repeat_share, repeat_residual
        Probability that a repair leaves part of the wear, and the part left.
    proactive_rate, proactive_threshold, proactive_noise, proactive_residual
        Daily chance of looking, the observed wear that triggers, its noise, and the wear left by a visit.
    holdout_share
        Share of triggered cases that get no visit.
    preventive_every_days
        Days between planned visits, each for the next component in turn.
    nuisance_rate, nuisance_visit_share, no_fault_rate, inspection_rate
        Nuisance codes, the share that brings a visit without a fault, other such visits, and inspections.
    dark_share, stops_share, outage_share, lying_share, retired_share
        Shares of the devices that never send, stop sending, have an outage, a sensor that lies, or retire.
    late_share, duplicate_share
        Share of 48-hour blocks uploaded at their end (a fifth of it: of single readings that are late), and of readings
        that come twice.
    churn_base
        Daily hazard of leaving, before the factors and exponents of `customers`; the other ``churn_`` fields are those.
    price_day
        Day of the price event, each year again.
    """

    start: str = "2025-01-01"
    chunk_devices: int = 200
    oldest_part_days: int = 400
    weibull_shape: float = 1.4
    weibull_scale_days: tuple[float, ...] = (3600.0, 4200.0, 4800.0, 3800.0)
    wear_rate: float = 1 / 280
    wear_spread: float = 0.7
    wear_load_effect: float = 0.3
    wear_onset: float = 1.0
    wear_ceiling: float = 1.9
    wear_effect: float = 6.0
    strain_effect: float = 0.4
    load_effect: float = 0.4
    lot_effect: float = 0.9
    generation_effect: float = 0.4
    season_effect: float = 0.2
    repeat_share: float = 0.15
    repeat_residual: float = 0.6
    proactive_rate: float = 0.004
    proactive_threshold: float = 1.1
    proactive_noise: float = 0.2
    proactive_residual: float = 0.2
    holdout_share: float = 0.3
    preventive_every_days: int = 240
    nuisance_rate: float = 0.01
    no_fault_rate: float = 0.0006
    nuisance_visit_share: float = 0.05
    inspection_rate: float = 0.0004
    dark_share: float = 0.08
    stops_share: float = 0.07
    outage_share: float = 0.2
    lying_share: float = 0.05
    late_share: float = 0.1
    duplicate_share: float = 0.003
    retired_share: float = 0.05
    churn_base: float = 0.0001
    churn_failure_effect: float = 1.2
    churn_repeat_effect: float = 1.2
    churn_wait_effect: float = 0.2
    churn_power_ceiling: float = 4.0
    churn_price_effect: float = 1.2
    churn_tenure_effect: float = -0.35
    price_day: int = 45


@dataclass(frozen=True)
class Run:
    """One simulation: days from ``start_us`` (microseconds, 00:00 UTC), the seed and the world's parameters."""

    days: int
    start_us: int
    seed: int
    config: FleetConfig

    @property
    def end_us(self) -> int:
        """End of the period; what becomes available later is not written."""
        return self.start_us + self.days * DAY_US
