"""What is written beside every trained model, so that an answer can be traced and a mismatch refused."""

from __future__ import annotations

import hashlib
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from aftercast.data.fleet import FleetSpec
from aftercast.operations.errors import ModelMismatchError

FILE: Final = "metadata.json"
LIBRARIES: Final = ("aftercast", "lightgbm", "mlflow", "numpy", "pandas", "scikit-learn", "scipy")


class Metadata(BaseModel):
    """Where a model comes from.

    Attributes
    ----------
    key
        Key of the flow run that trained it.
    until
        ISO 8601 UTC: no fact after it was read.
    data_version
        Version of the store it was trained on.
    spec_hash, dictionary_hash
        Hashes of the fleet spec and of the feature dictionary, the latter empty where no feature of a view was read.
    horizons, components
        Empty where the kind has none.
    facts
        What else its kind has to know of it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    key: str
    until: str
    data_version: int
    seed: int
    spec_hash: str
    libraries: dict[str, str]
    dictionary_hash: str = ""
    horizons: tuple[str, ...] = ()
    components: tuple[str, ...] = ()
    facts: dict[str, Any] = {}

    def write(self, folder: Path) -> None:
        """Write as JSON into a folder."""
        (folder / FILE).write_text(self.model_dump_json(indent=2), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Metadata:
        """Read from a folder.

        Raises
        ------
        ModelMismatchError
            If the folder holds no metadata of this version of aftercast.
        """
        try:
            return cls.model_validate_json((folder / FILE).read_text(encoding="utf-8"))
        except (OSError, ValidationError) as error:
            raise ModelMismatchError("The model was saved by another version of aftercast.", "Train again.") from error


def spec_hash(spec: FleetSpec) -> str:
    """Hash of everything the fleet spec says, 16 hexadecimal digits."""
    return hashlib.sha256(spec.model_dump_json().encode()).hexdigest()[:16]


def library_versions() -> dict[str, str]:
    """Versions of what a trained model depends on."""
    return {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES}
