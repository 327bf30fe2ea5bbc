"""A file of booster settings, as `aftercast tune` writes it and `aftercast train --settings` reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from pydantic import Field

from aftercast.models.hazard import HazardSettings
from aftercast.operations.configuration import StrictModel, load_toml, validate


class SettingsFile(StrictModel):
    """What may be set, and between which values; the meaning is that of :class:`HazardSettings`."""

    learning_rate: float = Field(HazardSettings.learning_rate, gt=0, le=1)
    num_leaves: int = Field(HazardSettings.num_leaves, ge=2, le=1024)
    feature_fraction: float = Field(HazardSettings.feature_fraction, gt=0, le=1)
    leaf: int = Field(HazardSettings.leaf, ge=1)
    members: int = Field(HazardSettings.members, ge=1, le=64)
    lambda_l2: float = Field(HazardSettings.lambda_l2, ge=0)
    rounds: int = Field(HazardSettings.rounds, ge=1)
    patience: int = Field(HazardSettings.patience, ge=1)
    fallback_rounds: int = Field(HazardSettings.fallback_rounds, ge=1)
    maximum_rows: int = Field(HazardSettings.maximum_rows, ge=100)


NAMES: Final = tuple(SettingsFile.model_fields)


def read_settings(path: Path) -> HazardSettings:
    """Settings of a file; what it does not name has its default.

    Raises
    ------
    SettingsError
        If the file is missing or no TOML, or names what there is not or a value out of range; every finding is listed.
    """
    return HazardSettings(**load_toml(path, SettingsFile).model_dump())


def settings_from(values: Mapping[str, Any]) -> HazardSettings:
    """Settings of names and values, which may be texts; raises SettingsError that lists every finding."""
    return HazardSettings(**validate(SettingsFile, values, "--set").model_dump())


def write_settings(settings: HazardSettings, path: Path, about: str = "") -> None:
    """Write what differs between trainings, with a comment on top; a number's shortest exact form."""
    lines = [f"# {line}" for line in about.splitlines()]
    lines += [f"{name} = {getattr(settings, name)!r}" for name in NAMES]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def described_settings(settings: HazardSettings) -> dict[str, int | float]:
    """What a file would say of them: for keys of runs and for records."""
    return {field.name: getattr(settings, field.name) for field in fields(settings) if field.name in NAMES}
