"""A fitted anomaly view as one JSON file."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from aftercast.data.errors import ModelMismatchError, SettingsError
from aftercast.models.anomaly.episodes import AlarmRate
from aftercast.models.anomaly.settings import AnomalySettings
from aftercast.models.anomaly.signals import Signal
from aftercast.models.anomaly.standard import Standard
from aftercast.models.anomaly.view import AnomalyView

FORMAT: Final = 1
PLAIN: Final = ("rate", "threshold", "every_us", "gap_us", "stale_hours")


def save_anomaly_view(view: AnomalyView, path: Path) -> None:
    """Write a view as JSON, numbers to the last bit; the folder is made where it does not exist."""
    content = {
        "format": FORMAT,
        "signals": [asdict(signal) for signal in view.signals],
        "components": list(view.components),
        "standard": {
            name: _with_gaps(getattr(view.standard, name)) for name in ("floors", "scale", "extreme", "balance")
        },
        "settings": asdict(view.settings),
        "reference": asdict(view.reference),
        **{name: getattr(view, name) for name in PLAIN},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1, allow_nan=False), encoding="utf-8")


def load_anomaly_view(path: Path) -> AnomalyView:
    """Read what :func:`save_anomaly_view` wrote.

    Raises
    ------
    ModelMismatchError
        If there is no such file, or it was written by another format.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise ModelMismatchError(
                f"The anomaly view has format {content['format']}, this is {FORMAT}.", "Fit again."
            )
        return AnomalyView(
            signals=tuple(Signal(**signal) for signal in content["signals"]),
            components=tuple(content["components"]),
            standard=Standard(**{name: _array(values) for name, values in content["standard"].items()}),
            settings=AnomalySettings(**content["settings"]),
            reference=AlarmRate(**content["reference"]),
            **{name: content[name] for name in PLAIN},
        )
    except (OSError, ValueError, KeyError, TypeError, SettingsError) as error:
        raise ModelMismatchError(f"There is no readable anomaly view in {path.name}.", "Fit again.") from error


def _with_gaps(values: npt.NDArray[np.float64]) -> list[Any]:
    return [
        _with_gaps(value) if isinstance(value, np.ndarray) else None if np.isnan(value) else float(value)
        for value in values
    ]


def _array(values: list[Any]) -> npt.NDArray[np.float64]:
    return np.array(values, dtype=np.float64)
