"""Features rebuilt from histories that were cut or poisoned, compared to the bit with the features of the whole.

For each cutoff of a sample the tables are cut to what was known then, and the features built anew. They must equal
those built from everything (``truncated_replay``), and must stay as they are when records are added that touch the
cutoff from outside (``inclusive_cutoff``) or lie beyond it (``future_poison``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from aftercast.data.fleet import FleetSpec
from aftercast.features.build import build_customer_features, build_device_features
from aftercast.features.customer_history import CustomerHistory
from aftercast.features.examples import Examples, Grain
from aftercast.features.history import Frames, History
from aftercast.features.replay.poison import Poison, boundary, future
from aftercast.features.replay.report import Finding, LeakageReport
from aftercast.operations.clocks import from_us

REPLAY: Final = "truncated_replay"
INCLUSIVE: Final = "inclusive_cutoff"
FUTURE: Final = "future_poison"
ABOUT: Final = {
    REPLAY: "changes when everything not yet known at the cutoff is taken away",
    INCLUSIVE: "changes with {table} that happen at the cutoff but are known, or happen, a microsecond after it",
    FUTURE: "changes with {table} that happen or become known after the cutoff",
}


@dataclass(frozen=True)
class Rebuilt:
    """How features of a grain are built from contract frames; a plug-in view is part of it once it is discovered."""

    spec: FleetSpec
    grain: Grain

    def build(self, frames: Frames, examples: Examples) -> pd.DataFrame:
        """Features of the examples, texts as objects, one row per (id, cutoff)."""
        if self.grain == "device_id":
            found = build_device_features(History.from_frames(self.spec, frames), examples)
        else:
            found = build_customer_features(CustomerHistory.from_frames(self.spec, frames), examples)
        texts = [name for name, dtype in found.dtypes.items() if isinstance(dtype, pd.CategoricalDtype)]
        return found.astype(dict.fromkeys(texts, object))


Difference = tuple[int, dict[str, Any]]
"""How many rows of one feature differ, and the first of them: id, cutoff, and the values known and found."""


def lint_replay(frames: Frames, spec: FleetSpec, examples: Examples) -> LeakageReport:
    """Checks 1 to 3 on every view of the grain of the examples.

    Parameters
    ----------
    frames
        Contract frames by table, with all they ever held: what became known after the cutoffs is what is taken away.
    examples
        A sample, all known at their cutoffs; each distinct cutoff costs three builds.

    Returns
    -------
    LeakageReport
        Stops only: a feature that changes with what was not known is no feature. Its features are those with a value in
        the sample.
    """
    rebuilt = Rebuilt(spec, examples.grain)
    whole = rebuilt.build(frames, examples)
    differing: dict[tuple[str, str, str], list[Difference]] = {}
    for cutoff in np.unique(examples.cutoff_us):
        rows = examples.cutoff_us == cutoff
        asked = examples.take(rows)
        for check, table, left, right in _versions(rebuilt, frames, asked, whole[rows].reset_index(drop=True)):
            for name, found in _differences(left, right, asked):
                differing.setdefault((check, name, table), []).append(found)
    ids, cutoffs = len(np.unique(examples.ids)), len(np.unique(examples.cutoff_us))
    looked_at = f"{len(examples)} rows of {ids} ids at {cutoffs} cutoffs"
    seen = [str(name) for name in whole.columns if whole[name].notna().any()]
    if len(seen) < len(whole.columns):
        looked_at += f"; {len(whole.columns) - len(seen)} features have no value there"
    findings = [_finding(check, name, table, found, len(examples)) for (check, name, table), found in differing.items()]
    return LeakageReport.of(findings, dict.fromkeys(ABOUT, looked_at), seen)


Version = tuple[str, str, pd.DataFrame, pd.DataFrame]


def _versions(rebuilt: Rebuilt, frames: Frames, asked: Examples, whole: pd.DataFrame) -> Iterator[Version]:
    """Check, table, honest features and those to compare, for the examples of one cutoff."""
    moment = from_us(asked.cutoff_us[:1])[0]
    known = {name: frame[frame["available_at"] <= moment] for name, frame in frames.items()}
    honest = rebuilt.build(known, asked)
    yield REPLAY, "", honest, whole
    made: tuple[tuple[str, Callable[..., Poison]], ...] = ((INCLUSIVE, boundary), (FUTURE, future))
    for check, make in made:
        poison = make(known, rebuilt.spec, asked, moment)
        found = rebuilt.build({**known, **poison}, asked)
        if honest.equals(found):
            continue
        for table, frame in poison.items():
            yield check, table, honest, rebuilt.build({**known, table: frame}, asked)


def _differences(honest: pd.DataFrame, other: pd.DataFrame, asked: Examples) -> Iterator[tuple[str, Difference]]:
    cutoff = from_us(asked.cutoff_us[:1])[0].isoformat()
    for name in map(str, honest.columns):
        left, right = honest[name].to_numpy(), other[name].to_numpy()
        changed = (left != right) & ~(pd.isna(left) & pd.isna(right))
        if changed.any():
            first = int(np.flatnonzero(changed)[0])
            known, found = _plain(left[first]), _plain(right[first])
            example = {"id": str(asked.ids[first]), "cutoff": cutoff, "known": known, "found": found}
            yield name, (int(changed.sum()), example)


def _finding(check: str, name: str, table: str, found: list[Difference], rows: int) -> Finding:
    changed, example = sum(each for each, _ in found), found[0][1]
    now, before = ("known", "found") if check == REPLAY else ("found", "known")
    shown = f"{example['id']} at {example['cutoff'][:16]}: {example[now]} instead of {example[before]}"
    reason = f"{ABOUT[check].format(table=table)}, in {changed} of {rows} rows; {shown}."
    return Finding(check, name, "stop", reason, {"rows": rows, "changed": changed}, example)


def _plain(value: object) -> object:
    """Value as JSON has it; missing is None, infinity a text."""
    if pd.isna(value):  # type: ignore[call-overload]
        return None
    plain = value.item() if isinstance(value, np.generic) else value
    return str(plain) if isinstance(plain, float) and np.isinf(plain) else plain
