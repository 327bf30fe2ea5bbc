"""Every parameter of the simulated world; formulas are in the modules that use them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aftercast.data.clocks import DAY_US

COMPONENTS: Final = ("pump", "motor", "heater", "valve")
SENSORS: Final = ("temperature_c", "vibration_mm_s", "current_a", "pressure_bar", "running_hours")
MODELS: Final = ("WM-100", "WM-200", "WM-300", "FR-10", "FR-20")
REGIONS: Final = ("north", "south", "east", "west")
BAD_LOT: Final = "L07"


@dataclass(frozen=True)
class FleetConfig:
    """Parameters of the world; rates are per day unless named otherwise, times are days.

    Attributes
    ----------
    start
        First day, 00:00 UTC.
    weibull_shape, weibull_scale_days
        Baseline hazard of a component's age; the scale has one value per component.
    wear_rate
        Mean wear gained per day; a device-and-component factor is lognormal around it with ``wear_spread``.
    wear_effect, load_effect, lot_effect, generation_effect, season_effect
        Coefficients in the exponent of the hazard. The lot effect is the bad lot's, on the first component only;
        the generation effect is the newest generation's.
    repeat_share, repeat_residual
        Probability that a repair leaves part of the wear, and the part left.
    proactive_rate, proactive_threshold, proactive_noise, proactive_residual
        Daily chance of looking, the observed wear that triggers, its noise, and the wear left by a visit.
    holdout_share
        Share of triggered cases that get no visit.
    """

    start: str = "2025-01-01"
    chunk_devices: int = 200
    weibull_shape: float = 1.5
    weibull_scale_days: tuple[float, ...] = (1500.0, 1900.0, 2300.0, 1700.0)
    wear_rate: float = 1 / 150
    wear_spread: float = 0.5
    wear_ceiling: float = 2.0
    wear_effect: float = 2.2
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
    churn_base: float = 0.00015
    churn_failure_effect: float = 0.3
    churn_repeat_effect: float = 0.5
    churn_wait_effect: float = 0.05
    churn_price_effect: float = 0.7
    churn_tenure_effect: float = -0.1
    price_day: int = 90


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
