"""What each column of the contract means, for people; ``aftercast tables`` and ``docs/tables.md`` show it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from aftercast.data.contract import TABLES, Table

KINDS: Final[Mapping[str, str]] = {
    "text": "text",
    "time": "instant with its zone",
    "date": "date",
    "float": "number",
    "int": "whole number",
    "bool": "true or false",
}

SHARED: Final[Mapping[str, str]] = {
    "device_id": "the device",
    "customer_id": "the customer",
    "outlet_id": "the service outlet; keys of the service may be limited to some",
    "region": "a place as coarse as you like",
    "event_time": "when it happened",
    "available_at": "when it could be known; filled by the source's rule where the file has none",
    "work_order_id": "the work order",
    "sku": "number of the part",
    "component": "the part of the device, as named in fleet.toml",
    "channel": "web, phone, shop ...",
    "language": "en, zh ...",
}
"""Columns that mean the same in every table."""

OWN: Final[Mapping[str, Mapping[str, str]]] = {
    "devices": {
        "device_model": "model; devices of one model share a cohort",
        "installed_at": "when it went into the field; its age counts from here",
        "retired_at": "when it left the field; nothing is forecast from then on",
        "customer_id": "who has it",
        "warranty_until": "end of the warranty",
        "firmware": "version it runs",
        "lot": "production lot",
        "hardware_generation": "generation within the model",
    },
    "faults": {"code": "the fault code, as listed in fleet.toml", "severity": "as the device says it"},
    "failures": {"component": "the part that failed, as named in fleet.toml; others are not learnt from"},
    "repairs": {
        "opened_at": "when the order was opened",
        "closed_at": "when it was closed; empty while it is open",
        "kind": "why it was opened",
        "outcome": "what was found or done",
        "cost": "in the fleet's currency",
        "labour_hours": "hours of work",
        "technician_id": "who did it",
    },
    "parts_used": {"quantity": "how many"},
    "customers": {
        "segment": "group of customers, as you divide them",
        "since": "customer since",
        "left_at": "when they left; empty while they stay",
        "consent_contact": "may be contacted",
        "consent_training": "may be learnt from; false leaves the customer out of churn trainings",
    },
    "purchases": {"amount": "in the fleet's currency", "device_id": "the device it was for"},
    "contacts": {
        "contact_id": "the contact",
        "device_id": "the device it was about",
        "kind": "what it was",
        "first_response_minutes": "minutes until the first answer",
        "resolution_hours": "hours until it was settled",
        "csat": "satisfaction as the customer rated it",
        "nps": "would they recommend you, 0 to 10",
        "text": "what was said; stored, not used by the models",
    },
    "stock": {
        "on_hand": "how many are there",
        "unit_cost": "in the fleet's currency",
        "lead_time_days": "days until more arrive",
    },
    "capacity": {
        "date": "the day",
        "technician_hours": "hours of work to be had",
        "skills": "what the technicians can do",
    },
    "actions": {
        "action_id": "the action",
        "decided_at": "when it was decided",
        "kind": "what is done: call, visit, voucher ...",
        "arm": "whether it was done, or held back to measure what it brings",
        "list_id": "the risk list it came from",
        "result": "what became of it",
    },
}


@dataclass(frozen=True)
class ColumnInWords:
    """One column as people read it; ``kind`` and ``about`` are words."""

    name: str
    kind: str
    required: bool
    about: str


def describe_columns(table: Table) -> Iterator[ColumnInWords]:
    """Describe the columns of a table, the required ones first, else in the contract's order."""
    for column in sorted(table.columns, key=lambda each: not (each.required and each.name != "available_at")):
        about = OWN.get(table.name, {}).get(column.name) or SHARED[column.name]
        if column.choices is not None:
            about += f": {', '.join(column.choices)}"
        yield ColumnInWords(column.name, KINDS[column.kind], column.name in table.required, about)


def tables_page() -> str:
    """Return the page ``docs/tables.md``."""
    parts = [HEAD]
    for table in TABLES.values():
        key = ", ".join(f"`{name}`" for name in table.key)
        parts.append(f"## `{table.name}`\n\nA row is {table.about}. One row per {key}.{OPEN if table.open else ''}\n")
        rows = [
            f"| {f'**`{each.name}`**' if each.required else f'`{each.name}`'} | {each.kind} | {each.about} |"
            for each in describe_columns(table)
        ]
        parts.append("\n".join(["| column | kind | what |", "|---|---|---|", *rows]) + "\n")
    return "\n".join(parts)


OPEN: Final = " Any other column is kept, too."
HEAD: Final = """# Tables an import takes

A file or folder is named like its table (`devices.csv`, `telemetry/part-1.parquet`). Columns in **bold** are required.
A table you do not have is left out: only devices and failures (or corrective repairs) are needed to train. How times,
other column names and long telemetry are read: [sources.md](sources.md). Which sensors, components and fault codes the
models know: [fleet.md](fleet.md). The same in the terminal: `aftercast tables`.

Two rows with the same key are a correction where `available_at` differs: the later one counts from then on.
"""
