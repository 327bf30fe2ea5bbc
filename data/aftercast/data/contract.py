"""The tables aftercast accepts: their columns, keys and clocks. The rest of the system knows tables only from here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["text", "time", "date", "float", "int", "bool"]


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    name
        Column name; units are part of it where there is one.
    kind
        ``time`` is UTC with microseconds, ``float`` admits missing values as NaN, ``int`` may be missing too.
    required
        A row without a value here is quarantined; a file without the column is refused.
    choices
        Where set, the only values accepted.
    """

    name: str
    kind: Kind
    required: bool = False
    choices: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Table:
    """One table of the contract.

    Attributes
    ----------
    key
        Columns that identify a fact. Two rows with one key and one ``available_at`` must be equal; a later
        ``available_at`` makes the row a correction, which replaces the earlier one from then on.
    event_time
        The column that says when the fact happened; None for tables of standing facts (devices, stock), whose
        only clock is ``available_at``.
    until
        Columns holding further instants that cannot lie after ``available_at`` (a repair closed in the future).
    open
        Whether columns beyond the listed ones are kept: sensors of telemetry, attributes of devices.
    about
        One sentence for people: what a row is.
    """

    name: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    about: str
    event_time: str | None = "event_time"
    until: tuple[str, ...] = ()
    open: bool = False

    def column(self, name: str) -> Column | None:
        """Return the column of this name, None where the contract has none."""
        return next((column for column in self.columns if column.name == name), None)

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the columns a file must have (``available_at`` can be filled by the source's rule)."""
        return tuple(c.name for c in self.columns if c.required and c.name != "available_at")

    def has(self, name: str) -> bool:
        """Whether the contract lists this column."""
        return self.column(name) is not None


def _table(name: str, about: str, key: str, columns: str, **more: object) -> Table:
    """Table from a compact text: ``name:kind`` each, ``!`` after it where required, ``=a|b`` for choices."""
    parsed = []
    for word in columns.split():
        head, _, choices = word.partition("=")
        required = head.endswith("!")
        column, _, kind = head.rstrip("!").partition(":")
        parsed.append(Column(column, kind or "text", required, tuple(choices.split("|")) if choices else None))  # type: ignore[arg-type]
    parsed.append(Column("available_at", "time", required=True))
    return Table(name=name, about=about, key=tuple(key.split()), columns=tuple(parsed), **more)  # type: ignore[arg-type]


TABLES: Final[Mapping[str, Table]] = {
    table.name: table
    for table in (
        _table(
            "devices",
            "a device in the field, as known from available_at on",
            "device_id",
            "device_id! device_model! installed_at:time! retired_at:time customer_id outlet_id region "
            "warranty_until:time firmware lot hardware_generation",
            event_time=None,
            open=True,
        ),
        _table(
            "telemetry",
            "the sensors of one device at one instant",
            "device_id event_time",
            "device_id! event_time:time!",
            open=True,
        ),
        _table(
            "faults",
            "a fault code a device reported",
            "device_id event_time code",
            "device_id! event_time:time! code! severity",
        ),
        _table(
            "failures",
            "a confirmed functional failure of one component",
            "device_id event_time component",
            "device_id! event_time:time! component!",
        ),
        _table(
            "repairs",
            "a work order on a device; a second row with a later available_at closes or corrects it",
            "work_order_id",
            "work_order_id! device_id! opened_at:time! closed_at:time "
            "kind!=corrective|preventive|proactive|inspection component "
            "outcome=fault_confirmed|no_fault_found|replaced|adjusted|customer_education|unknown "
            "cost:float labour_hours:float outlet_id technician_id",
            event_time="opened_at",
            until=("closed_at",),
        ),
        _table(
            "parts_used",
            "parts of one kind used on a work order",
            "work_order_id sku",
            "work_order_id! sku! quantity:float!",
            event_time=None,
        ),
        _table(
            "customers",
            "a customer, as known from available_at on; left_at once they have left",
            "customer_id",
            "customer_id! segment region since:time! left_at:time channel language "
            "consent_contact:bool consent_training:bool",
            event_time=None,
            open=True,
        ),
        _table(
            "purchases",
            "an order or a renewal",
            "customer_id event_time",
            "customer_id! event_time:time! amount:float! device_id",
        ),
        _table(
            "contacts",
            "one contact of a customer with service",
            "contact_id",
            "contact_id! customer_id! device_id event_time:time! channel "
            "kind!=complaint|question|repair_request|survey first_response_minutes:float "
            "resolution_hours:float csat:float nps:float text language",
        ),
        _table(
            "stock",
            "a part held by an outlet, as known from available_at on",
            "sku outlet_id",
            "sku! component outlet_id! on_hand:float! unit_cost:float! lead_time_days:float!",
            event_time=None,
        ),
        _table(
            "capacity",
            "technician hours of an outlet on a day",
            "outlet_id date",
            "outlet_id! date:date! technician_hours:float! skills",
            event_time=None,
        ),
        _table(
            "actions",
            "a treatment decided for a device or a customer",
            "action_id",
            "action_id! device_id customer_id decided_at:time! kind! arm!=treated|holdout list_id result",
            event_time="decided_at",
        ),
    )
}
"""Every table by name, in the order in which an import must load them (devices before what refers to them)."""
