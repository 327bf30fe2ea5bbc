"""What is written beside every trained model, so that an answer can be traced and a mismatch refused."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from aftercast.data.fleet import FleetSpec
from aftercast.operations.database.forecasts import Kind
from aftercast.operations.errors import ModelMismatchError

FILE: Final = "metadata.json"
LIBRARIES: Final = ("aftercast", "lightgbm", "mlflow", "numpy", "pandas", "scikit-learn", "scipy")


@dataclass(frozen=True)
class Metadata:
    """Where a model comes from.

    Attributes
    ----------
    until
        ISO 8601 UTC: no fact after it was read.
    data_version
        Version of the store it was trained on.
    spec_hash, dictionary_hash
        Hashes of the fleet spec and of the feature dictionary.
    key
        Key of the flow run that trained it.
    """

    kind: Kind
    key: str
    until: str
    data_version: int
    seed: int
    horizons: tuple[str, ...]
    components: tuple[str, ...]
    spec_hash: str
    dictionary_hash: str
    libraries: Mapping[str, str]

    def write(self, folder: Path) -> None:
        """Write as JSON into a folder."""
        (folder / FILE).write_text(json.dumps(asdict(self), indent=2, sort_keys=True), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Metadata:
        """Read from a folder.

        Raises
        ------
        ModelMismatchError
            If the folder holds no metadata of this version of aftercast.
        """
        try:
            content: dict[str, Any] = json.loads((folder / FILE).read_text(encoding="utf-8"))
            return cls(**{**content, **{name: tuple(content[name]) for name in ("horizons", "components")}})
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelMismatchError("The model was saved by another version of aftercast.", "Train again.") from error


def spec_hash(spec: FleetSpec) -> str:
    """Hash of everything the fleet spec says, 16 hexadecimal digits."""
    return hashlib.sha256(spec.model_dump_json().encode()).hexdigest()[:16]


def library_versions() -> dict[str, str]:
    """Versions of what a trained model depends on."""
    return {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES}
