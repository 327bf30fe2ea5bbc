"""The audit log: whole, and anchored in the database."""

from __future__ import annotations

from collections.abc import Iterator

from aftercast.data.audit.reading import newest_entries
from aftercast.data.audit.verification import verify
from aftercast.data.records.anchors import newest_anchor
from aftercast.pipelines.doctor.findings import Finding
from aftercast.pipelines.doctor.patient import Patient

LONG_MB = 300
"""A longer log is not verified here: it would take more than a few seconds."""


def check(patient: Patient) -> Iterator[Finding]:
    """Verify it, where that takes no longer than a few seconds."""
    folder = patient.folder / "audit"
    size_mb = sum(segment.stat().st_size for segment in folder.glob("*.jsonl")) / 1e6 if folder.is_dir() else 0
    if size_mb == 0:
        yield Finding("ok", "Nothing was recorded yet.")
        return
    if size_mb > LONG_MB:
        yield Finding(
            "warning", f"It has {size_mb:,.0f} MB and was not verified here.", "Run `aftercast audit verify`."
        )
    else:
        found = verify(folder, patient.database)
        for one in found.findings[:1]:
            yield Finding(
                "problem", one.sentence, "Run `aftercast audit verify`, keep the files, and find out who wrote them."
            )
        if found.whole:
            yield Finding("ok", f"{found.entries:,} entries are whole.")
    newest = next(newest_entries(folder, 1), None)
    waiting = 0 if newest is None else int(newest["seq"]) - newest_anchor(patient.database)
    if waiting > 0:
        yield Finding(
            "warning", f"{waiting:,} entries are not anchored yet.", "A running service anchors them; start it."
        )
