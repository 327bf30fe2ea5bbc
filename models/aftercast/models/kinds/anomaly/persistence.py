"""A fitted anomaly view as one JSON file."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from aftercast.models.kinds.anomaly.episodes import AlarmRate
from aftercast.models.kinds.anomaly.settings import AnomalySettings
from aftercast.models.kinds.anomaly.signals import Signal
from aftercast.models.kinds.anomaly.standard import Standard
from aftercast.models.kinds.anomaly.view import AnomalyView
from aftercast.models.registry.saved_json import load_json, save_json

FORMAT: Final = 1
PLAIN: Final = ("rate", "threshold", "every_us", "gap_us", "stale_hours")


def save_anomaly_view(view: AnomalyView, path: Path) -> None:
    """Write a view as JSON, numbers to the last bit; the folder is made where it does not exist."""
    content = {
        "signals": [asdict(signal) for signal in view.signals],
        "components": list(view.components),
        "standard": {
            name: _with_gaps(getattr(view.standard, name)) for name in ("floors", "scale", "extreme", "balance")
        },
        "settings": asdict(view.settings),
        "reference": asdict(view.reference),
        **{name: getattr(view, name) for name in PLAIN},
    }
    save_json(path, FORMAT, content)


def load_anomaly_view(path: Path) -> AnomalyView:
    """Read what :func:`save_anomaly_view` wrote.

    Raises
    ------
    ModelMismatchError
        If there is no such file, or it was written by another format.
    """
    return load_json(path, FORMAT, _view, what="anomaly view", mend="Fit again.")


def _view(content: dict[str, Any]) -> AnomalyView:
    return AnomalyView(
        signals=tuple(Signal(**signal) for signal in content["signals"]),
        components=tuple(content["components"]),
        standard=Standard(**{name: _array(values) for name, values in content["standard"].items()}),
        settings=AnomalySettings(**content["settings"]),
        reference=AlarmRate(**content["reference"]),
        **{name: content[name] for name in PLAIN},
    )


def _with_gaps(values: npt.NDArray[np.float64]) -> list[Any]:
    return [
        _with_gaps(value) if isinstance(value, np.ndarray) else None if np.isnan(value) else float(value)
        for value in values
    ]


def _array(values: list[Any]) -> npt.NDArray[np.float64]:
    return np.array(values, dtype=np.float64)
