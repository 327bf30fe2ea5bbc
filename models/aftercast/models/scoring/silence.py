"""Which sensors of a device do not report: no value in any window before the cutoff, or the whole device is silent.

The last reading ever is known for as long as the device lives, so it does not tell a sensor that reports from one that
stopped months ago.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pandas as pd

from aftercast.data.fleet import FeatureSettings, FleetSpec, Sensor
from aftercast.features.dictionary import feature_dictionary
from aftercast.models.aliases import Mask
from aftercast.operations.clocks import DAY_US, HOUR_US, parse_duration_us


def silent_sensors(features: pd.DataFrame, spec: FleetSpec) -> dict[str, Mask]:
    """Whether each sensor does not report, for each row; sensors without a column are left out.

    A sensor is silent where none of its features over a window is known, or where the device's last report is older
    than ``features.stale_after``. In a device younger than the longest window any reading lies in that window, even
    where it is too few for a feature.

    Parameters
    ----------
    features
        One row per (device_id, cutoff), shape (n, f). Rows of customers have no sensors.

    Returns
    -------
    dict
        Sensor -> shape (n,), in the order of the spec.
    """
    found: dict[str, Mask] = {}
    stale, young = _stale(features, spec), _young(features, spec)
    for sensor, columns in sensor_columns(spec).items():
        last = f"{sensor}_last"
        windowed = [column for column in columns if column != last and column in features.columns]
        if windowed:
            unknown = np.asarray(features[windowed].isna().all(axis=1), dtype=bool)
            read = young & features[last].notna().to_numpy() if last in features.columns else np.zeros_like(young)
            found[sensor] = (unknown & ~read) | stale
    return found


def sensor_columns(spec: FleetSpec) -> dict[str, tuple[str, ...]]:
    """Columns that each sensor alone brings into the feature dictionary.

    Examples
    --------
    >>> spec = FleetSpec(name="f", sensors=(Sensor(name="temp"), Sensor(name="temp_out")))
    >>> "temp_out_last" in sensor_columns(spec)["temp"], "temp_out_last" in sensor_columns(spec)["temp_out"]
    (False, True)
    """
    return dict(_sensor_columns(spec.sensors, spec.features))


@lru_cache(maxsize=64)
def _sensor_columns(sensors: tuple[Sensor, ...], windows: FeatureSettings) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Columns begin with the name of their sensor; of two names that fit, it is the longer one."""
    without, along = (_names(FleetSpec(name="f", features=windows, sensors=some)) for some in ((), sensors))
    found: dict[str, list[str]] = {sensor.name: [] for sensor in sensors}
    for column in (name for name in along if name not in without):
        found[max((name for name in found if column.startswith(f"{name}_")), key=len)].append(column)
    return tuple((name, tuple(columns)) for name, columns in found.items())


def _names(spec: FleetSpec) -> dict[str, None]:
    return dict.fromkeys(feature.name for feature in feature_dictionary(spec, "device_id"))


def _stale(features: pd.DataFrame, spec: FleetSpec) -> Mask:
    """Whether the last report is older than counts as evidence; not where the device never reported."""
    if "telemetry_age_hours" not in features.columns:
        return np.zeros(len(features), dtype=bool)
    hours = parse_duration_us(spec.features.stale_after) / HOUR_US
    return np.asarray(features["telemetry_age_hours"].to_numpy(dtype=np.float64) > hours)


def _young(features: pd.DataFrame, spec: FleetSpec) -> Mask:
    """Whether the device was installed within the longest window."""
    if "device_age_days" not in features.columns:
        return np.zeros(len(features), dtype=bool)
    longest = max(parse_duration_us(window) for window in spec.features.windows)
    return np.asarray(features["device_age_days"].to_numpy(dtype=np.float64) < longest / DAY_US)
