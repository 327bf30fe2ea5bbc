"""The champion that answered last, kept in the workspace: what a service starts with while the registry is away.

One file a kind, ``last-good/KIND.zip``, replaced in one step: the model's own text files, where it comes from, and what
the registry said of it. Only what was loaded from the registry is written, and reading it executes nothing.
"""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aftercast.data.workspace import Workspace
from aftercast.models.kinds import kind_of
from aftercast.models.metadata import Metadata
from aftercast.models.registry.versions import Loaded
from aftercast.operations.errors import ModelMismatchError

FOLDER: Final = "last-good"
ABOUT: Final = "about.json"
ENDINGS: Final = (".json", ".txt")
"""Of the files a model consists of; whatever else an archive holds is not unpacked."""


@dataclass(frozen=True)
class LastGood:
    """A champion and what the registry said of it when it was loaded.

    Attributes
    ----------
    decision
        Why it was made champion.
    metrics
        What was logged when it was trained.
    """

    loaded: Loaded
    decision: str
    metrics: Mapping[str, float]


def keep_last_good(workspace: Workspace, good: LastGood) -> None:
    """Write a champion down, replacing the one before in one step; raises OSError where the disk refuses."""
    path = _path(workspace, good.loaded.kind)
    path.parent.mkdir(exist_ok=True)
    about = {
        "version": good.loaded.version,
        "run_id": good.loaded.run_id,
        "decision": good.decision,
        "metrics": dict(good.metrics),
    }
    with tempfile.TemporaryDirectory(prefix="aftercast-model-") as temporary:
        folder = Path(temporary)
        good.loaded.model.save(folder)
        good.loaded.metadata.write(folder)
        (folder / ABOUT).write_text(json.dumps(about), encoding="utf-8")
        unfinished = path.with_name(f".{path.name}.{os.getpid()}")
        with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(folder.iterdir()):
                archive.write(file, file.name)
        unfinished.replace(path)


def has_last_good(workspace: Workspace, kind: str) -> bool:
    """Whether a champion was written down."""
    return _path(workspace, kind).is_file()


def find_last_good(workspace: Workspace, kind: str) -> LastGood | None:
    """Return the champion that was written down last, None where none was.

    Raises
    ------
    ModelMismatchError
        If the file is damaged, or of another version of aftercast.
    """
    if not has_last_good(workspace, kind):
        return None
    with tempfile.TemporaryDirectory(prefix="aftercast-model-") as temporary:
        folder = Path(temporary)
        try:
            _unpack(_path(workspace, kind), folder)
            about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
            loaded = Loaded(kind, kind_of(kind).load(folder), about["version"], about["run_id"], Metadata.read(folder))
            return LastGood(loaded, about["decision"], about["metrics"])
        except (zipfile.BadZipFile, OSError, ValueError, KeyError, TypeError) as error:
            raise ModelMismatchError(
                f"The {kind} model that was kept for times without a registry cannot be read.",
                "The next look at the registry replaces it.",
            ) from error


def _unpack(path: Path, folder: Path) -> None:
    """Write the files of an archive into a folder, each under its bare name."""
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if Path(name).name == name and name.endswith(ENDINGS):
                (folder / name).write_bytes(archive.read(name))


def _path(workspace: Workspace, kind: str) -> Path:
    return workspace.path(FOLDER, f"{kind}.zip")
