"""The fleet spec: what a deployment's sensors, components, fault codes, horizons and costs are.

It is the TOML file ``fleet.toml`` of the workspace; :class:`FleetSpec` is the only reading of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pandas as pd
from pydantic import AfterValidator, Field, model_validator

from aftercast.operations.clocks import parse_duration_us, parse_time
from aftercast.operations.configuration import StrictModel, load_toml
from aftercast.operations.errors import SettingsError
from aftercast.operations.settings import FOR_EVER


def _checked_duration(text: str) -> str:
    try:
        parse_duration_us(text)
    except SettingsError as error:
        raise ValueError(str(error)) from error
    return text


Duration = Annotated[str, AfterValidator(_checked_duration)]


def _checked_moment(text: str) -> str:
    try:
        parse_time(text)
    except SettingsError as error:
        raise ValueError(str(error)) from error
    return text


Moment = Annotated[str, AfterValidator(_checked_moment)]


def _checked_zone(name: str) -> str:
    try:
        ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"'{name}' is no zone: write it as Europe/Berlin, Asia/Shanghai or UTC") from error
    return name


Zone = Annotated[str, AfterValidator(_checked_zone)]


class FileSettings(StrictModel):
    """How the cells of files are written; what is empty is found out from each file, or refused where it cannot be."""

    encoding: str = ""
    """Name of the encoding, as ``gb18030``."""
    delimiter: Literal["", ",", ";", "\t", "|"] = ""
    decimal: Literal["", ".", ","] = ""
    thousands: Literal["", ",", ".", " ", "'"] = ""
    sheet: str = ""
    """Sheet of a workbook; the first where empty."""
    header_row: int = Field(default=0, ge=0)
    """Line of the names of columns, from 1; 0 finds it."""
    zone: Zone = ""
    """Zone of times that carry none. Never found out: without it such times are refused."""
    time_format: str = ""
    """How times are written, as ``%d.%m.%Y %H:%M``; ISO 8601 where empty."""
    missing: tuple[str, ...] = ()
    """Words that stand for a missing value, beside the empty cell."""


class TableSettings(FileSettings):
    """How one table of the contract comes in; what it leaves empty is as ``[files]`` says."""

    file: str = ""
    """File or folder of parts below the imported path, ``*`` allowed; the one named like the table where empty."""
    query: str = ""
    """Table or SELECT of a database, where the imported path is the address of one; the table's name where empty."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Column of the contract, or sensor -> column of the file."""
    fixed: dict[str, str] = Field(default_factory=dict)
    """Column of the contract that the file lacks -> its value in every row, as ``kind`` -> ``corrective``."""
    numbered: bool = False
    """Whether rows without a number of their own get one, of device or customer, time and a running number."""
    derived_from: tuple[str, ...] = ()
    """Tables whose rows name the devices, where there is no file of devices; since when they run is then unknown."""
    values: dict[str, dict[str, str]] = Field(default_factory=dict)
    """Column of the contract -> word of the file -> value of the contract, as ``kind`` ``PM01`` -> ``corrective``."""
    units: dict[str, str] = Field(default_factory=dict)
    """Sensor -> unit in which the file has it, where that is not the unit of the sensor."""
    available_after: Duration | Literal["0h", ""] = ""
    """Delay between an event and its availability; empty for that of the fleet."""
    attributes: dict[str, Literal["constant", "from_import"]] = Field(default_factory=dict)
    """Further columns that are features: true since ever, or known from the import that brought them."""
    followed_until: Moment | Literal["observed", ""] = ""
    """Until when all rows are there (UTC), or ``observed``: as far as the fleet was. Empty: until the last row."""
    keep: Duration | Literal["for ever"] = FOR_EVER
    """How long rows are kept, counted from when they happened; of devices, customers and stock how long a value stays
    that a later one replaced, and those who left. `aftercast vacuum` removes what is older."""


class AllFilesSettings(FileSettings):
    """How files are read, and which are passed over."""

    ignore: tuple[str, ...] = ()
    """Files below the imported path that are no table, ``*`` allowed."""


class Sensor(StrictModel):
    """A sensor: a float column of telemetry.

    Values outside ``[low, high]`` (both ends included) are physically impossible and quarantined; usual but rare
    values belong inside.
    """

    name: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    cumulative: bool = False
    """Whether it counts up over the device's life (hours, cycles): its increase is a usage feature."""


class Component(StrictModel):
    """A part of the device that can fail by itself."""

    name: str
    repairable: bool = True
    """Whether a corrective or preventive repair renews it, so that its age starts again."""
    sku: str | None = None
    """The stock item a repair usually needs."""


class FaultCode(StrictModel):
    """A code devices report in the faults table."""

    code: str
    about: str = ""


class Rule(StrictModel):
    """A threshold rule the fleet uses today; it becomes a baseline of every report (`risk` when value > above)."""

    sensor: str
    above: float


class FeatureSettings(StrictModel):
    """Windows of the features; every window is open at its start and closed at the cutoff."""

    windows: tuple[Duration, ...] = ("24h", "72h", "168h")
    trend_window: Duration = "168h"
    half_life: Duration = "24h"
    event_windows: tuple[Duration, ...] = ("24h", "168h", "720h")
    stale_after: Duration = "72h"
    """Telemetry older than this does not count as evidence: the device is judged from history or cohort."""


class TrainingSettings(StrictModel):
    """Which examples are made."""

    cutoff_every: Duration = "24h"
    calibration_share: float = Field(default=0.25, gt=0, lt=0.6)
    """Share of the training time, at its end, that calibrates and chooses thresholds."""
    minimum_failures: int = Field(default=10, ge=1)


class ChurnSettings(StrictModel):
    """What counts as a customer who left."""

    rule: Literal["left_at", "inactivity"] = "left_at"
    inactivity: Duration = "180d"
    """With rule "inactivity": leaving is dated this long after the last purchase, and known then."""
    horizons: tuple[Duration, ...] = ("30d", "60d", "90d")


class Costs(StrictModel):
    """Money of one outcome, in the fleet's currency."""

    missed_failure: float = 500.0
    needless_visit: float = 10.0
    currency: str = "EUR"


UNNAMED: Final = "unknown"
"""Component of failures that name none."""
RESERVED: Final = ("all", "any", "pooled")
"""Names that reports and forecasts use beside those of components."""


class FleetSpec(StrictModel):
    """Everything aftercast must be told about a fleet.

    Attributes
    ----------
    horizons
        Ends of the intervals in which risk is forecast, counted from the cutoff, ascending.
    failures_from
        Which table says that a component failed: ``failures``, or ``repairs`` of kind corrective whose outcome
        is not no_fault_found.
    available_after
        Delay between event and availability for tables that have no ``available_at`` of their own.
    files, tables
        How files of the ``tables`` source are read: all of them, and those of one table.
    """

    name: str
    horizons: tuple[Duration, ...] = ("24h", "72h", "7d", "14d", "30d")
    failures_from: Literal["failures", "repairs"] = "failures"
    available_after: Duration | Literal["0h"] = "0h"
    sensors: tuple[Sensor, ...] = ()
    components: tuple[Component, ...] = ()
    fault_codes: tuple[FaultCode, ...] = ()
    rules: tuple[Rule, ...] = ()
    features: FeatureSettings = FeatureSettings()
    training: TrainingSettings = TrainingSettings()
    churn: ChurnSettings = ChurnSettings()
    costs: Costs = Costs()
    files: AllFilesSettings = AllFilesSettings()
    tables: dict[str, TableSettings] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _consistent(self) -> FleetSpec:
        spans = [parse_duration_us(h) for h in self.horizons]
        if spans != sorted(set(spans)):
            raise ValueError("horizons must be ascending and different")
        for kind, names in (
            ("sensor", [s.name for s in self.sensors]),
            ("component", [c.name for c in self.components]),
            ("fault code", [f.code for f in self.fault_codes]),
        ):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"{kind} '{twice[0]}' is listed twice")
        reserved = sorted({component.name for component in self.components} & set(RESERVED))
        if reserved:
            raise ValueError(
                f"component '{reserved[0]}' has a name that reports use for all components together: choose another"
            )
        unknown = {r.sensor for r in self.rules} - {s.name for s in self.sensors}
        if unknown:
            raise ValueError(f"a rule names the sensor '{sorted(unknown)[0]}', which is not listed")
        return self

    def table(self, name: str) -> TableSettings:
        """Return the settings of one table, those of ``files`` filled in where it has none of its own."""
        own = self.tables.get(name, TableSettings())
        general = {field: getattr(self.files, field) for field in FileSettings.model_fields if not getattr(own, field)}
        return own.model_copy(update=general)

    def delay(self, table: str) -> pd.Timedelta:
        """Delay between an event of a table and its availability."""
        delay = self.table(table).available_after or self.available_after
        return pd.Timedelta(0 if delay == "0h" else parse_duration_us(delay), unit="us").as_unit("us")

    def kept(self) -> dict[str, pd.Timedelta]:
        """Return how long the rows of tables are kept; a table that keeps them for ever is left out."""
        spans = {name: settings.keep for name, settings in self.tables.items() if settings.keep != FOR_EVER}
        return {name: pd.Timedelta(parse_duration_us(span), unit="us") for name, span in spans.items()}

    @property
    def sensor_names(self) -> tuple[str, ...]:
        """Sensor columns in the order of the spec."""
        return tuple(sensor.name for sensor in self.sensors)

    @property
    def component_names(self) -> tuple[str, ...]:
        """Components in the order of the spec."""
        return tuple(component.name for component in self.components)


def load_fleet(path: Path) -> FleetSpec:
    """Read a fleet spec; raises SettingsError listing every finding."""
    return load_toml(path, FleetSpec)
