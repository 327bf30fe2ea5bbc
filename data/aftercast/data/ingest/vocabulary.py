"""Failures and fault codes whose names the fleet spec does not list: stored, and not learnt from by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np
import pandas as pd

from aftercast.data.contract import TABLES
from aftercast.data.fleet import UNNAMED, FleetSpec
from aftercast.data.store import Selection, Store

SHOWN: Final = 8
COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "failures": ("component",),
    "repairs": ("component", "kind", "outcome"),
    "faults": ("code",),
}
"""What is looked at in the tables that may hold unlisted names; the name is the first."""

Unlisted = dict[str, Counter[str]]
"""Per table, the rows of each name that is not listed."""


def count_unlisted(table: str, frame: pd.DataFrame, spec: FleetSpec) -> Counter[str]:
    """Rows of each name the spec does not list: components of failures, where the spec takes them from, or codes.

    Repairs are failures where they are corrective and did not find that there was no fault; one that names no
    component is a failure of the component :data:`UNNAMED`.
    """
    if table not in COLUMNS or table not in {"faults", spec.failures_from} or COLUMNS[table][0] not in frame.columns:
        return Counter()
    listed = [item.code for item in spec.fault_codes] if table == "faults" else spec.component_names
    names = frame[COLUMNS[table][0]]
    names = names.fillna(UNNAMED) if table == "repairs" else names
    wanted = names.notna() & ~names.isin(listed)
    if table == "repairs":
        wanted &= frame["kind"] == "corrective"
        if "outcome" in frame.columns:
            wanted &= np.asarray(frame["outcome"].fillna("") != "no_fault_found")
    return Counter({str(name): int(rows) for name, rows in names[wanted].value_counts().items()})


def find_unlisted(store: Store, spec: FleetSpec) -> Unlisted:
    """Unlisted names in the newest version of a store; of a corrected work order its last row counts."""
    found: Unlisted = {}
    for name, columns in COLUMNS.items():
        if name in {"faults", spec.failures_from}:
            key = list(TABLES[name].key) if name == "repairs" else []
            frame = store.select(name, Selection(columns=[*key, *columns], ordered=bool(key)))
            found[name] = count_unlisted(name, frame.drop_duplicates(key, keep="last") if key else frame, spec)
    return {name: counts for name, counts in found.items() if counts}


def said(table: str, counts: Counter[str]) -> tuple[str, str]:
    """What is unlisted in a table and what follows from it, a sentence; and what to do about it."""
    names = [name for name, _ in counts.most_common()]
    shown = ", ".join(f"'{name}' ({_rows(counts[name])})" for name in names[:SHOWN]) + (
        ", ..." if names[SHOWN:] else ""
    )
    if table == "faults":
        what, follows = "fault code", "they count only among faults of any kind"
        add = f'For features of their own, add to fleet.toml: [[fault_codes]] with code = "{names[0]}"'
    else:
        what, follows = "component", "training does not learn from them"
        add = f'To forecast them, add to fleet.toml: [[components]] with name = "{names[0]}"'
    many = f"{len(names):,} {what}s" if len(names) > 1 else f"the {what}"
    add += ", and so on; then train again." if len(names) > 1 else "; then train again."
    return f"fleet.toml does not list {many} of stored {table}: {shown}; {follows}.", add


def notices(unlisted: Mapping[str, Counter[str]], kept: Mapping[str, int], spec: FleetSpec) -> Iterator[str]:
    """What an import says of names that are not listed, and of failures that the spec does not ask for.

    Parameters
    ----------
    kept
        Rows of each table the import brought.
    """
    for table, counts in unlisted.items():
        if counts:
            yield " ".join(said(table, counts))
    if spec.failures_from != "failures" and kept.get("failures", 0) > 0:
        yield (
            f"fleet.toml takes failures from {spec.failures_from}: training does not learn from "
            f'{_rows(kept["failures"])} of failures. To do so, set failures_from = "failures" and train again.'
        )


def _rows(count: int) -> str:
    return f"{count:,} {'row' if count == 1 else 'rows'}"
