"""Units of readings, brought to those of the fleet spec."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from aftercast.operations.errors import SettingsError

SPELLINGS: Final = {"°C": "degC", "℃": "degC", "°F": "degF", "℉": "degF", "%": "percent", "C": "degC", "F": "degF"}


@cache
def _registry() -> Any:
    from pint import UnitRegistry  # noqa: PLC0415 - takes half a second, and few files need it

    return UnitRegistry(autoconvert_offset_to_baseunit=True)


@cache
def conversion(unit: str, wanted: str) -> tuple[float, float]:
    """Factor and offset that bring readings from one unit to another.

    >>> factor, offset = conversion("°F", "°C")
    >>> round(212 * factor + offset, 9)
    100.0

    Raises
    ------
    SettingsError
        If a unit is not known, or they measure different things.
    """
    from pint.errors import PintError  # noqa: PLC0415 - as above

    registry = _registry()
    try:
        zero, one = (
            float(registry.Quantity(value, SPELLINGS.get(unit, unit)).to(SPELLINGS.get(wanted, wanted)).magnitude)
            for value in (0.0, 1.0)
        )
    except (PintError, AssertionError, ValueError, TypeError) as error:
        raise SettingsError(
            f"Readings in '{unit}' cannot be brought to '{wanted}'.",
            "Correct [tables.telemetry.units], or the unit of the sensor.",
        ) from error
    return one - zero, zero


def is_known(unit: str) -> bool:
    """Whether a text is a unit.

    >>> is_known("bar"), is_known("left side")
    (True, False)
    """
    try:
        _registry().Unit(SPELLINGS.get(unit, unit))
    except Exception:  # noqa: BLE001 - its parser raises errors of many kinds for what is no unit
        return False
    return True
