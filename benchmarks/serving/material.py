"""What is asked with: ids, rows of features and telemetry of one scored fleet, and the probabilities to agree on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import numpy as np
import pandas as pd
from benchmarks.operation.fleet import make_fleet

from aftercast.data.workspace import Workspace, open_workspace
from aftercast.models.registry.versions import load_champion
from aftercast.models.scoring.snapshot import snapshot_path
from aftercast.models.scoring.snapshot_file import load_snapshot
from aftercast.operations.database.keys import create_key

DEVICES: Final = 1000
SIMULATED: Final = 1080
"""Some have been retired or are not installed yet at the end."""
DAYS: Final = 60
HORIZON: Final = "7d"
CLOCKS: Final = ("event_time", "available_at")
OWN_LIMIT: Final = "100000000/hour"
"""Limit of the key: requests are counted as always, and none is refused."""

Row = list[float | str | None]


@dataclass(frozen=True)
class Material:
    """A scored fleet.

    Attributes
    ----------
    key
        API key with the scope predict and a rate limit of its own.
    ids
        Devices with a row, in the order of ``rows``.
    columns, rows
        Features of the last scoring, in the order the model was trained on; None where missing.
    cutoff
        Of the last scoring (UTC).
    """

    workspace: Workspace
    key: str
    ids: tuple[str, ...]
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    cutoff: pd.Timestamp

    def telemetry(self, device_ids: Sequence[str], hours: int) -> dict[str, list[dict[str, Any]]]:
        """Last rows of telemetry of devices as known at the cutoff and as a caller would send them, at most so many.

        They say when they became known, so that the cutoff stays and the answer has to be the one by id.
        """
        frame = self.workspace.store.read("telemetry", device_ids=list(device_ids), known_at=self.cutoff)
        frame = frame.sort_values("event_time", kind="stable").groupby("device_id", observed=True).tail(hours)
        sensors = [name for name in frame.columns if name not in {"device_id", *CLOCKS}]
        out: dict[str, list[dict[str, Any]]] = {each: [] for each in device_ids}
        for row in frame.to_dict("records"):
            values = {str(name): row[name] for name in sensors if not pd.isna(row[name])}
            out[str(row["device_id"])].append({**{name: row[name].isoformat() for name in CLOCKS}, **values})
        return out

    def with_telemetry(self, hours: int) -> list[str]:
        """Devices that sent at least so many rows."""
        rows = self.workspace.store.read("telemetry", columns=["device_id"], known_at=self.cutoff)
        sent = rows["device_id"].value_counts()
        return [each for each in self.ids if int(sent.get(each, 0)) >= hours]

    def probabilities(self, address: str) -> Mapping[str, float]:
        """Probability of every device at :data:`HORIZON` as the service says it by id."""
        body = {"devices": [{"device_id": each} for each in self.ids], "horizon": HORIZON, "drivers": 0}
        answer = httpx.post(f"{address}/v1/failure-risk", json=body, headers={"X-API-Key": self.key}, timeout=60)
        answer.raise_for_status()
        return {each["device_id"]: float(each["probability"]) for each in answer.json()["results"]}


def make_material(folder: Path) -> Material:
    """Fleet in a folder, made where there is none; with a fresh key.

    Raises
    ------
    RuntimeError
        If fewer than :data:`DEVICES` devices can be judged.
    """
    there = (folder / "aftercast.toml").is_file()
    workspace = open_workspace(folder) if there else make_fleet(folder, devices=SIMULATED, days=DAYS)
    snapshot = load_snapshot(snapshot_path(folder, "failure"))
    if len(snapshot.ids) < DEVICES:
        raise RuntimeError(f"only {len(snapshot.ids)} devices have a row, {DEVICES} are asked about")
    names = load_champion(workspace, "failure").model.schema.names
    _, key = create_key(workspace.database, "bench", ("predict",), rate_limit=OWN_LIMIT)
    ids = tuple(str(each) for each in snapshot.ids[:DEVICES])
    return Material(workspace, key, ids, names, _plain(snapshot.features[list(names)].head(DEVICES)), snapshot.cutoff)


def _plain(features: pd.DataFrame) -> tuple[Row, ...]:
    """Rows for JSON: numbers as they are, categories as text, None where missing."""
    columns = []
    for name in features.columns:
        text = isinstance(features[name].dtype, pd.CategoricalDtype)
        values = features[name].astype(object).to_numpy() if text else features[name].to_numpy(np.float64)
        columns.append([None if pd.isna(value) else (str(value) if text else float(value)) for value in values])
    return tuple(list(row) for row in zip(*columns, strict=True))
