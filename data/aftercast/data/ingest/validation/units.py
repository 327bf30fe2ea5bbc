"""Readings in other units than their sensor's: converted where the units convert, refused by name where they do not."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from tokenize import TokenError
from typing import Any, Final

import pandas as pd

from aftercast.data.fleet import FleetSpec
from aftercast.operations.errors import InputError

WRITTEN: Final[Mapping[str, str]] = {
    **{"°C": "degC", "℃": "degC", "C": "degC", "°F": "degF", "℉": "degF", "F": "degF"},
    **{"%": "percent", "": ""},
}
"""Units as people write them, of which the library knows another name or another unit."""


DIGITS: Final = 9
"""Decimals that are kept of a converted reading: 212 °F is 100 °C, and not a little more."""


@cache
def _registry() -> Any:
    from pint import UnitRegistry  # noqa: PLC0415 - takes half a second, and few files need it

    return UnitRegistry()


def is_unit(text: str) -> bool:
    """Whether a text is a unit.

    >>> is_unit("bar"), is_unit("left side")
    (True, False)
    """
    try:
        _registry().Unit(WRITTEN.get(text, text))
    except Exception:  # noqa: BLE001 - its parser raises errors of many kinds for what is no unit
        return False
    return True


@cache
def conversion(given: str, wanted: str) -> tuple[float, float]:
    """Factor and offset that turn a reading in one unit into the other.

    Raises
    ------
    InputError
        If one of them is no unit, or they measure different things.

    Examples
    --------
    >>> conversion("kWh", "Wh")
    (1000.0, 0.0)
    """
    if given == wanted:
        return 1.0, 0.0
    from pint import PintError  # noqa: PLC0415 - as above

    try:
        zero, one = (
            float(_registry().Quantity(value, WRITTEN.get(given, given)).to(WRITTEN.get(wanted, wanted)).magnitude)
            for value in (0.0, 1.0)
        )
    except (PintError, ValueError, TypeError, AttributeError, AssertionError, TokenError) as error:
        raise InputError(
            f"'{given}' does not convert to '{wanted}'.",
            "Correct the unit of the sensor in fleet.toml, or that of the file under [tables.telemetry.units].",
        ) from error
    return one - zero, zero


def convert_wide(readings: pd.DataFrame, units: Mapping[str, str], spec: FleetSpec) -> pd.DataFrame:
    """Return readings, a float column per sensor, in the units of the sensors.

    Parameters
    ----------
    units
        Sensor -> unit in which it is given; the others are in their own.
    """
    own = {sensor.name: sensor.unit for sensor in spec.sensors}
    changed = {}
    for name, unit in units.items():
        if name in readings.columns and unit != own.get(name, unit):
            factor, offset = _named(name, unit, own[name])
            changed[name] = (readings[name] * factor + offset).round(DIGITS)
    return readings.assign(**changed) if changed else readings


def convert_long(frame: pd.DataFrame, spec: FleetSpec) -> pd.DataFrame:
    """Return long telemetry (sensor, value, unit) whose values are all in the unit in which its sensor is given.

    That is the unit under ``[tables.telemetry.units]``, else the sensor's own. The column ``unit`` is left out.

    Raises
    ------
    InputError
        If a unit does not convert, or a sensor without a unit of its own comes in several.
    """
    given = spec.table("telemetry").units
    own = {sensor.name: sensor.unit for sensor in spec.sensors}
    units = frame["unit"].astype("str").str.strip().where(frame["unit"].notna(), "")
    values, kept = pd.to_numeric(frame["value"], errors="coerce"), frame["value"].astype("object")
    for name, rows in units.groupby(frame["sensor"].astype("str")):
        wanted, found = given.get(str(name)) or own.get(str(name), ""), sorted(set(rows) - {""})
        if not wanted and len(found) > 1:
            raise InputError(
                f"Sensor '{name}' comes in {' and '.join(found)}.",
                f'Say its unit in fleet.toml, as unit = "{found[0]}".',
            )
        for unit in found if wanted else ():
            factor, offset = _named(str(name), unit, wanted)
            here = rows.index[(rows == unit) & values[rows.index].notna()]
            if (factor, offset) != (1.0, 0.0):
                kept[here] = (values[here] * factor + offset).round(DIGITS)
    return frame.drop(columns="unit").assign(value=kept)


def _named(sensor: str, given: str, wanted: str) -> tuple[float, float]:
    try:
        return conversion(given, wanted)
    except InputError as error:
        raise InputError(f"Sensor '{sensor}': {error.message}", error.hint) from error
