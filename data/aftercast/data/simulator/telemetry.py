"""Hourly sensors of a device: level + offset + daily, weekly and yearly load + answer to wear + noise.

Wear above 0.5 shows: pump in pressure (falls), motor in vibration, heater in temperature, valve in current. In the FR
models the temperature falls with the heater's wear and the current with the valve's. The answer grows with the load.
"""

from __future__ import annotations

import numpy as np

from aftercast.data.arrays import Floats
from aftercast.data.simulator.fleet import Device, generator

LEVEL = np.array([55.0, 4.0, 6.0, 8.0])
LOAD = np.array([4.0, 0.4, 1.0, 0.3])
OFFSET = np.array([2.0, 0.3, 0.4, 0.3])
NOISE = np.array([1.5, 0.4, 0.3, 0.2])
ANSWER = np.array([16.0, 5.0, 3.5, -3.0])
FIRST_FR, FALLS_IN_FR = 3, np.array([-1.0, 1.0, -1.0, 1.0])
CAUSE = (2, 1, 3, 0)


def readings(device: Device, wear: Floats, seed: int) -> Floats:
    """Sensor values, shape (hours, 5), of the hours from the device's first day to its last."""
    rng = generator(seed, 4, device.index)
    hours = np.arange(device.first_day * 24, device.retire * 24)
    day = hours // 24
    load = np.sin(2 * np.pi * (hours % 24 - 8) / 24) - 0.5 * ((day % 7) >= 5) + device.load
    season = np.sin(2 * np.pi * day / 365)
    shown = np.maximum(wear[device.first_day : device.retire][:, CAUSE] - 0.5, 0).repeat(24, axis=0)
    values = LEVEL * (1 + 0.05 * device.model) + OFFSET * device.offsets + LOAD * load[:, None]
    answer = ANSWER * (FALLS_IN_FR if device.model >= FIRST_FR else 1.0)
    values += answer * shown * (1 + 0.3 * load[:, None])
    values += NOISE * rng.normal(size=values.shape)
    values[:, 0] += 3 * season
    running = 24 * max(-device.install, 0) * 0.5 + np.cumsum(np.clip(0.5 + 0.3 * load, 0, 1))
    return np.column_stack([np.maximum(values, 0.01), running])
