"""Questions about the risk of devices and customers, on the wire."""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeVar

from pydantic import AfterValidator, ConfigDict, FailFast, Field, FiniteFloat
from pydantic_core import PydanticCustomError

from aftercast.operations.settings import MOST_DEVICES, MOST_RECORDS
from aftercast.serving.wire.common import HorizonText, Request, at_most

DEFAULT_DRIVERS: Final = 3
MOST_DRIVERS: Final = 20
MOST_FIELDS: Final = 1000

EntityId = Annotated[str, Field(min_length=1, max_length=200)]
LONGEST_NUMBER: Final = 40
"""Digits of the longest whole number that may be an id."""


def _with_every_digit(number: int) -> int | str:
    """Return a whole number, as text where no float holds it, so that an id keeps every digit."""
    if abs(number) >= 10**LONGEST_NUMBER:
        raise PydanticCustomError("too_long", "Should have at most {most} digits", {"most": LONGEST_NUMBER})
    return number if abs(number) < 2**53 else str(number)


Whole = Annotated[int, AfterValidator(_with_every_digit)]
Value = bool | Whole | FiniteFloat | Annotated[str, Field(max_length=1000)] | None
SentRow = Annotated[
    dict[Annotated[str, Field(max_length=200)], Value],
    Field(
        description="One record: column name to value, without `device_id`. Write times as text with a zone."
        " `available_at` is when the record became known; without it the delay in fleet.toml applies."
    ),
    at_most(MOST_FIELDS),
]
SentRows = Annotated[list[SentRow], FailFast(), at_most(MOST_RECORDS)]
"""Reading ends at the first record that is not as described."""
AskedT = TypeVar("AskedT")
Several = Annotated[
    list[AskedT],
    Field(min_length=1, description="At most `serving.max_devices`."),
    FailFast(),
    at_most(MOST_DEVICES),
]
SENT_TABLES: Final = ("telemetry", "faults", "failures", "repairs")


def _sent(about: str) -> Any:
    """List that need not be sent; one made for each device costs less than a default that is copied for it."""
    return Field(default_factory=list, json_schema_extra={"default": []}, description=about)


class RiskRequest(Request):
    """A question about risk."""

    horizon: HorizonText | None = Field(
        None, description="Default: the usual horizon of the kind, or the model's longest if that is shorter."
    )
    drivers: Annotated[int, Field(ge=0, le=MOST_DRIVERS, strict=True)] = Field(
        DEFAULT_DRIVERS, description="Number of drivers to return for each result."
    )

    @property
    def ids(self) -> list[str]:
        """Ids asked about, in their order."""
        raise NotImplementedError

    @property
    def sent(self) -> dict[str, list[dict[str, Any]]] | None:
        """Records that come with the question, by table; None without any."""
        return None


class DeviceAsked(Request):
    """A device, with records about it that are not imported yet, if any."""

    device_id: EntityId = Field(examples=["D0017"])
    facts: SentRow | None = Field(
        default=None,
        description="Standing facts (device_model, installed_at, ...): required if the device is not imported,"
        " otherwise they replace the stored ones.",
    )
    telemetry: SentRows = _sent("Readings: event_time and one column per sensor.")
    faults: SentRows = _sent("Fault events: event_time and code.")
    failures: SentRows = _sent("Failures: event_time and component.")
    repairs: SentRows = _sent("Work orders: work_order_id, opened_at, kind and the other columns of the table.")

    @property
    def records(self) -> dict[str, list[dict[str, Any]]]:
        """Records by table, facts as those of ``devices``; empty without any."""
        found = {table: rows for table in SENT_TABLES if (rows := getattr(self, table))}
        return found if self.facts is None else {**found, "devices": [self.facts]}


class CustomerAsked(Request):
    """A customer."""

    customer_id: EntityId = Field(examples=["C0042"])


class DeviceRiskRequest(RiskRequest):
    """Asks how likely devices are to fail. Only a question about one device may bring records."""

    devices: Several[DeviceAsked]

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"devices": [{"device_id": "D0017"}, {"device_id": "D0404"}], "horizon": "7d", "drivers": 1},
                {
                    "devices": [
                        {
                            "device_id": "D0017",
                            "telemetry": [{"event_time": "2025-08-15T01:00:00Z", "vibration": 52.1}],
                            "faults": [{"event_time": "2025-08-15T00:40:00Z", "code": "E21"}],
                        }
                    ]
                },
            ]
        }
    )

    @property
    def ids(self) -> list[str]:
        """Ids of the devices."""
        return [each.device_id for each in self.devices]

    @property
    def sent(self) -> dict[str, list[dict[str, Any]]] | None:
        """Records of the first device that brings any."""
        return next((records for each in self.devices if (records := each.records)), None)


class CustomerRiskRequest(RiskRequest):
    """Asks how likely customers are to leave."""

    customers: Several[CustomerAsked]

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"customers": [{"customer_id": "C0042"}], "horizon": "30d", "drivers": 1}]}
    )

    @property
    def ids(self) -> list[str]:
        """Ids of the customers."""
        return [each.customer_id for each in self.customers]
