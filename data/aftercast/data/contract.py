"""The tables aftercast accepts: their columns, keys and clocks. Adding a column is one line here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
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
    about
        What it means, for people.
    required
        A row without a value here is quarantined; a file without the column is refused.
    choices
        Where set, the only values accepted.
    low, high
        Ends of what a number may be, both possible; None without one.
    """

    name: str
    kind: Kind
    about: str = ""
    required: bool = False
    choices: tuple[str, ...] | None = None
    low: float | None = None
    high: float | None = None

    @property
    def words(self) -> str:
        """What it means, with the values accepted."""
        return self.about if self.choices is None else f"{self.about}: {', '.join(self.choices)}"


@dataclass(frozen=True)
class Table:
    """One table of the contract.

    Attributes
    ----------
    about
        One sentence for people: what a row is.
    key
        Columns that identify a fact. Two rows with one key and one ``available_at`` must be equal; a later
        ``available_at`` makes the row a correction, which replaces the earlier one from then on.
    event_time
        The column that says when the fact happened; None for tables of standing facts (devices, stock), whose
        only clock is ``available_at``.
    until
        Columns holding further instants that cannot lie after ``available_at`` (a repair closed in the future).
    durations
        Columns holding how long something took after the event, with the unit: it was over when the longest was.
    results
        Columns with the outcome of the fact: they became known when it was over, not when it began.
    end
        The column with the end of a standing fact (a retirement), which was not known before it.
    ends
        Pairs of columns of which the second cannot lie before the first.
    open
        Whether a fleet spec may name columns beyond the listed ones: sensors of telemetry, attributes of devices.
    """

    name: str
    about: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    event_time: str | None = "event_time"
    until: tuple[str, ...] = ()
    durations: Mapping[str, Literal["min", "h"]] = field(default_factory=dict)
    results: tuple[str, ...] = ()
    end: str | None = None
    ends: tuple[tuple[str, str], ...] = ()
    open: bool = False

    def column(self, name: str) -> Column | None:
        """Return the column of this name, None where the contract has none."""
        return next((column for column in self.columns if column.name == name), None)

    def has(self, name: str) -> bool:
        """Whether the contract lists this column."""
        return self.column(name) is not None

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the columns a file must have (``available_at`` can be filled by the source's rule)."""
        return tuple(c.name for c in self.columns if c.required and c.name != "available_at")

    @property
    def required_first(self) -> tuple[Column, ...]:
        """The columns in the order in which people read them: those a file must have, then the others."""
        return tuple(sorted(self.columns, key=lambda column: column.name not in self.required))


DEVICE: Final = Column("device_id", "text", "the device", required=True)
CUSTOMER: Final = Column("customer_id", "text", "the customer", required=True)
EVENT_TIME: Final = Column("event_time", "time", "when it happened", required=True)
AVAILABLE_AT: Final = Column(
    "available_at",
    "time",
    "when it could be known; filled by the source's rule where the file has none",
    required=True,
)

WITHDRAWN: Final = Column("withdrawn", "bool", "true takes back what was said of this key; other cells may be empty")
WITHDRAWAL_REASON: Final = Column("withdrawal_reason", "text", "why it was taken back")
"""Columns that an import of any table may have beside those of the table."""

REPAIR_KINDS: Final = ("corrective", "preventive", "proactive", "inspection")
OUTCOMES: Final = ("fault_confirmed", "no_fault_found", "replaced", "adjusted", "customer_education", "unknown")
CONTACT_KINDS: Final = ("complaint", "question", "repair_request", "survey")
ARMS: Final = ("treated", "holdout")

TABLES: Final[Mapping[str, Table]] = {
    table.name: table
    for table in (
        Table(
            "devices",
            "a device in the field, as known from available_at on",
            key=("device_id",),
            columns=(
                DEVICE,
                Column("device_model", "text", "model; devices of one model share a cohort", required=True),
                Column("installed_at", "time", "when it went into the field; empty where nobody knows: no age then"),
                Column("retired_at", "time", "when it left the field; nothing is forecast from then on"),
                Column("customer_id", "text", "who has it"),
                Column("outlet_id", "text", "the service outlet; keys may be limited to some"),
                Column("region", "text", "a place as coarse as you like"),
                Column("warranty_until", "time", "end of the warranty"),
                Column("firmware", "text", "version it runs"),
                Column("lot", "text", "production lot"),
                Column("hardware_generation", "text", "generation within the model"),
                AVAILABLE_AT,
            ),
            event_time=None,
            end="retired_at",
            ends=(("installed_at", "retired_at"), ("installed_at", "warranty_until")),
            open=True,
        ),
        Table(
            "telemetry",
            "the sensors of one device at one instant",
            key=("device_id", "event_time"),
            columns=(DEVICE, EVENT_TIME, AVAILABLE_AT),
            open=True,
        ),
        Table(
            "faults",
            "a fault code a device reported",
            key=("device_id", "event_time", "code"),
            columns=(
                DEVICE,
                EVENT_TIME,
                Column("code", "text", "the fault code, as listed in fleet.toml", required=True),
                Column("severity", "text", "as the device says it"),
                AVAILABLE_AT,
            ),
        ),
        Table(
            "failures",
            "a confirmed functional failure of one component",
            key=("device_id", "event_time", "component"),
            columns=(
                DEVICE,
                EVENT_TIME,
                Column(
                    "component", "text", "the part that failed; training uses those named in fleet.toml", required=True
                ),
                AVAILABLE_AT,
            ),
        ),
        Table(
            "repairs",
            "a work order on a device; a second row with a later available_at closes or corrects it",
            key=("work_order_id",),
            columns=(
                Column("work_order_id", "text", "the work order", required=True),
                DEVICE,
                Column("opened_at", "time", "when the order was opened", required=True),
                Column("closed_at", "time", "when it was closed; empty while it is open"),
                Column("kind", "text", "why it was opened", required=True, choices=REPAIR_KINDS),
                Column("component", "text", "the part of the device, as named in fleet.toml"),
                Column("outcome", "text", "what was found or done", choices=OUTCOMES),
                Column("cost", "float", "in the fleet's currency"),
                Column("labour_hours", "float", "hours of work", low=0),
                Column("outlet_id", "text", "the service outlet; keys may be limited to some"),
                Column("technician_id", "text", "who did it"),
                AVAILABLE_AT,
            ),
            event_time="opened_at",
            until=("closed_at",),
            ends=(("opened_at", "closed_at"),),
            results=("closed_at", "outcome", "cost", "labour_hours"),
        ),
        Table(
            "parts_used",
            "parts of one kind used on a work order",
            key=("work_order_id", "sku"),
            columns=(
                Column("work_order_id", "text", "the work order", required=True),
                Column("sku", "text", "number of the part", required=True),
                Column("quantity", "float", "how many", required=True),
                AVAILABLE_AT,
            ),
            event_time=None,
        ),
        Table(
            "customers",
            "a customer, as known from available_at on; left_at once they have left",
            key=("customer_id",),
            columns=(
                CUSTOMER,
                Column("segment", "text", "group of customers, as you divide them"),
                Column("region", "text", "a place as coarse as you like"),
                Column("since", "time", "customer since", required=True),
                Column("left_at", "time", "when they left; empty while they stay"),
                Column("channel", "text", "web, phone, shop ..."),
                Column("language", "text", "en, zh ..."),
                Column("consent_contact", "bool", "may be contacted"),
                Column("consent_training", "bool", "false leaves the customer out of churn trainings"),
                AVAILABLE_AT,
            ),
            event_time=None,
            end="left_at",
            ends=(("since", "left_at"),),
            open=True,
        ),
        Table(
            "purchases",
            "an order or a renewal",
            key=("purchase_id",),
            columns=(
                Column("purchase_id", "text", "the order; those of one instant are numbered where the file has none"),
                CUSTOMER,
                EVENT_TIME,
                Column("amount", "float", "in the fleet's currency", required=True),
                Column("device_id", "text", "the device it was for"),
                AVAILABLE_AT,
            ),
        ),
        Table(
            "contacts",
            "one contact of a customer with service",
            key=("contact_id",),
            columns=(
                Column("contact_id", "text", "the contact", required=True),
                CUSTOMER,
                Column("device_id", "text", "the device it was about"),
                EVENT_TIME,
                Column("channel", "text", "web, phone, shop ..."),
                Column("kind", "text", "what it was", required=True, choices=CONTACT_KINDS),
                Column("first_response_minutes", "float", "minutes until the first answer", low=0),
                Column("resolution_hours", "float", "hours until it was settled", low=0),
                Column("csat", "float", "satisfaction as the customer rated it, 0 to 100 at most", low=0, high=100),
                Column("nps", "float", "would they recommend you, 0 to 10", low=0, high=10),
                Column("text", "text", "what the customer wrote; stored, not used by the models"),
                Column("language", "text", "en, zh ..."),
                AVAILABLE_AT,
            ),
            durations={"first_response_minutes": "min", "resolution_hours": "h"},
            results=("first_response_minutes", "resolution_hours", "csat", "nps"),
        ),
        Table(
            "stock",
            "a part held by an outlet, as known from available_at on",
            key=("sku", "outlet_id"),
            columns=(
                Column("sku", "text", "number of the part", required=True),
                Column("component", "text", "the part of the device, as named in fleet.toml"),
                Column("outlet_id", "text", "the service outlet; keys may be limited to some", required=True),
                Column("on_hand", "float", "how many are there", required=True, low=0),
                Column("unit_cost", "float", "in the fleet's currency", required=True, low=0),
                Column("lead_time_days", "float", "days until more arrive", required=True, low=0),
                AVAILABLE_AT,
            ),
            event_time=None,
        ),
        Table(
            "capacity",
            "technician hours of an outlet on a day",
            key=("outlet_id", "date"),
            columns=(
                Column("outlet_id", "text", "the service outlet; keys may be limited to some", required=True),
                Column("date", "date", "the day", required=True),
                Column("technician_hours", "float", "hours of work to be had", required=True, low=0),
                Column("skills", "text", "what the technicians can do"),
                AVAILABLE_AT,
            ),
            event_time=None,
        ),
        Table(
            "actions",
            "a treatment decided for a device or a customer",
            key=("action_id",),
            columns=(
                Column("action_id", "text", "the action", required=True),
                Column("device_id", "text", "the device"),
                Column("customer_id", "text", "the customer"),
                Column("decided_at", "time", "when it was decided", required=True),
                Column("kind", "text", "what is done: call, visit, voucher ...", required=True),
                Column("arm", "text", "done, or held back to measure what it brings", required=True, choices=ARMS),
                Column("list_id", "text", "the risk list it came from"),
                Column("result", "text", "what became of it"),
                AVAILABLE_AT,
            ),
            event_time="decided_at",
        ),
    )
}
"""Every table by name, in the order in which an import must load them (devices before what refers to them)."""
