"""A fitted anomaly view as one JSON file."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from aftercast.models.kinds.anomaly.view import AnomalyView
from aftercast.models.saved_json import load_json, save_json

FORMAT: Final = 2


def save_anomaly_view(view: AnomalyView, path: Path) -> None:
    """Write a view as JSON, numbers to the last bit; the folder is made where it does not exist."""
    save_json(view, path, FORMAT)


def load_anomaly_view(path: Path) -> AnomalyView:
    """Read what :func:`save_anomaly_view` wrote.

    Raises
    ------
    ModelMismatchError
        If there is no such file, or it was written by another format.
    """
    return load_json(AnomalyView, path, FORMAT, what="anomaly view", mend="Fit again.")
