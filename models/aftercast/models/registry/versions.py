"""The model registry: the only place, with ``mlflow_logging``, that knows MLflow.

Order makes it safe to kill: everything is logged, then the version is registered, then the alias ``champion`` moves.
A run that died before the last step is never champion, and its version is found again by the key of the flow run.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from sqlalchemy.engine import make_url

from aftercast.data.workspace import Workspace
from aftercast.models.hazard import HazardModel
from aftercast.models.registry.contact import require_answer, told_by_address
from aftercast.models.registry.metadata import Metadata
from aftercast.models.registry.relocation import follow_move
from aftercast.operations.database.forecasts import Kind
from aftercast.operations.errors import LookAheadError, NotFoundError, WorkspaceError

Registered: TypeAlias = Kind | Literal["remaining-life"]
"""What has versions and a champion; only what is a :data:`Kind` forecasts at horizons."""
CHAMPION: Final = "champion"
MODEL_FOLDER: Final = "model"
KEY_TAG: Final = "aftercast.key"
LEAKAGE_TAG: Final = "aftercast.leakage"
STOPPED_TAG: Final = "aftercast.leakage.stopped"
WORSE: Final = "worse than the base rate"


@dataclass(frozen=True)
class Version:
    """A registered model version.

    Attributes
    ----------
    version
        Number as text, as MLflow has it.
    champion
        Whether it is what scores now.
    decision
        Why it was made champion or not, one sentence.
    """

    kind: Registered
    version: str
    run_id: str
    champion: bool
    decision: str


@dataclass(frozen=True)
class Loaded:
    """A model loaded from the registry, ready to predict."""

    kind: Kind
    model: HazardModel
    version: str
    run_id: str
    metadata: Metadata


def model_name(kind: Registered) -> str:
    """Name of the registered model, and of the experiment, of a kind."""
    return f"aftercast-{kind}"


def client(workspace: Workspace) -> MlflowClient:
    """Client of the workspace's MLflow; nothing global is set. Raises WorkspaceError where its server is away."""
    follow_move(workspace)
    require_answer(workspace.mlflow_address)
    return MlflowClient(tracking_uri=workspace.mlflow_address, registry_uri=workspace.mlflow_address)


@contextmanager
def needing_registry(workspace: Workspace) -> Iterator[None]:
    """Block, or decorated function, that needs the registry in the end: asked first, and told should it go away.

    Raises
    ------
    WorkspaceError
        If its server does not answer.
    """
    require_answer(workspace.mlflow_address)
    with told_by_address(workspace.mlflow_address):
        yield


def champion_version(workspace: Workspace, kind: Registered) -> Version | None:
    """Return the champion, None where there is none."""
    found = _champion(workspace, kind)
    return None if found is None else _version(found, kind, champion=True)


def load_champion(workspace: Workspace, kind: Kind) -> Loaded:
    """Load the champion.

    Raises
    ------
    NotFoundError
        If no model of this kind is champion.
    ModelMismatchError
        If it was saved by another version of aftercast.
    """
    found = _champion(workspace, kind)
    if found is None:
        raise NotFoundError(f"There is no {kind} model yet.", f"Run `aftercast train {kind}`.")
    return _load(workspace, kind, found)


def newest_version(workspace: Workspace, kind: Registered) -> Version | None:
    """Return the version registered last, champion or not, None where there is none."""
    if _unused(workspace):
        return None
    found = client(workspace).search_model_versions(f"name = '{model_name(kind)}'")
    champion = champion_version(workspace, kind)
    newest = max(found, key=lambda version: int(version.version), default=None)
    return None if newest is None else _version(newest, kind, champion=_same(champion, newest))


def load_version(workspace: Workspace, kind: Kind, version: str) -> Loaded:
    """Load a version by its number; raises NotFoundError where there is none."""
    return _load(workspace, kind, _registered(workspace, kind, version))


def _registered(workspace: Workspace, kind: Registered, version: str) -> ModelVersion:
    try:
        return client(workspace).get_model_version(model_name(kind), version)
    except MlflowException as error:
        raise NotFoundError(
            f"There is no version {version} of {model_name(kind)}.", "`aftercast mlflow` shows them."
        ) from error


def find_version(workspace: Workspace, kind: Registered, key: str) -> Version | None:
    """Version a flow run of this key registered, None where there is none."""
    found = client(workspace).search_model_versions(f"name = '{model_name(kind)}' and tag.`{KEY_TAG}` = '{key}'")
    champion = champion_version(workspace, kind)
    return None if not found else _version(found[0], kind, champion=_same(champion, found[0]))


def register(workspace: Workspace, kind: Registered, run_id: str, key: str) -> Version:
    """Register the model of a run, once for each key; it is not champion by that."""
    there = find_version(workspace, kind, key)
    if there is not None:
        return there
    mlflow = client(workspace)
    _ensure_name(mlflow, model_name(kind))
    made = mlflow.create_model_version(
        model_name(kind), source=f"runs:/{run_id}/{MODEL_FOLDER}", run_id=run_id, tags={KEY_TAG: key}
    )
    return _version(made, kind, champion=False)


def promote(workspace: Workspace, found: Version, *, better_than_base: bool) -> Version:
    """Make a version champion when it deserves it, and write down why or why not.

    The first version becomes champion when it is not worse than the base rate on the later part of its training time;
    a later one under the same rule replaces it. A version that is worse than the base rate never scores, and none whose
    run logged a leak ever does, whoever asks.

    Raises
    ------
    LookAheadError
        If the leakage linter stopped the version; it names the feature and the reason.
    """
    _refuse_leak(client(workspace), found)
    words = "Champion: better than the base rate" if better_than_base else f"Not champion: {WORSE}"
    decision = f"{words} on the validation period."
    return decide(workspace, found, champion=better_than_base, decision=decision)


def promote_by_hand(workspace: Workspace, kind: Registered, version: str, *, even_if_worse: bool = False) -> Version:
    """Make a version champion because somebody says so.

    Raises
    ------
    NotFoundError
        If there is no such version.
    WorkspaceError
        If it was worse than the base rate, and may not be so.
    LookAheadError
        If the leakage linter stopped it.
    """
    found = _version(_registered(workspace, kind, version), kind, champion=False)
    _refuse_leak(client(workspace), found)
    if WORSE in found.decision and not even_if_worse:
        raise WorkspaceError(
            f"Version {version} of {model_name(kind)} was {WORSE} on its validation period.",
            "What it says would mislead. To use it all the same: --even-if-worse.",
        )
    worse = f", although it was {WORSE}" if WORSE in found.decision else ""
    return decide(workspace, found, champion=True, decision=f"Champion: chosen by hand{worse}.")


def decide(workspace: Workspace, found: Version, *, champion: bool, decision: str) -> Version:
    """Write the decision on a version down, then move the alias to it where it becomes champion."""
    mlflow, name = client(workspace), model_name(found.kind)
    mlflow.set_model_version_tag(name, found.version, "aftercast.decision", decision)
    if champion:
        mlflow.set_registered_model_alias(name, CHAMPION, found.version)
        told = {"kind": found.kind, "version": found.version, "run_id": found.run_id, "decision": decision}
        workspace.audit.append("model.champion", told)
    return Version(found.kind, found.version, found.run_id, champion, decision)


@contextmanager
def champion_files(workspace: Workspace, kind: Registered) -> Iterator[tuple[Version, Path] | None]:
    """Give the champion and the folder of its files for the length of a with block, None where there is none."""
    found = _champion(workspace, kind)
    if found is None:
        yield None
        return
    with _fetched(workspace, found) as folder:
        yield _version(found, kind, champion=True), folder


def has_registry(workspace: Workspace) -> bool:
    """Whether there is a registry to ask: a server, or a file that a training made."""
    return not _unused(workspace)


def _refuse_leak(mlflow: MlflowClient, found: Version) -> None:
    tags = mlflow.get_run(found.run_id).data.tags
    if tags.get(STOPPED_TAG) != "true":
        return
    decision = f"Not champion: {tags[LEAKAGE_TAG]}"
    mlflow.set_model_version_tag(model_name(found.kind), found.version, "aftercast.decision", decision)
    raise LookAheadError(
        f"Version {found.version} of {model_name(found.kind)} is not made champion. {tags[LEAKAGE_TAG]}",
        f"Mend or remove the feature and train again; `aftercast leakage {found.kind}` shows every finding.",
    )


def _champion(workspace: Workspace, kind: Registered) -> ModelVersion | None:
    if _unused(workspace):
        return None
    try:
        return client(workspace).get_model_version_by_alias(model_name(kind), CHAMPION)
    except MlflowException as error:
        # MLflow names a missing alias of an existing model an invalid parameter.
        if error.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
            return None
        raise


def _unused(workspace: Workspace) -> bool:
    """Whether the tracking database is a file that does not exist: asking would create it, and take seconds."""
    address = make_url(workspace.mlflow_address) if workspace.mlflow_address.startswith("sqlite") else None
    return address is not None and bool(address.database) and not Path(str(address.database)).exists()


def _load(workspace: Workspace, kind: Kind, found: ModelVersion) -> Loaded:
    with _fetched(workspace, found) as folder:
        return Loaded(kind, HazardModel.load(folder), str(found.version), found.run_id, Metadata.read(folder))


@contextmanager
def _fetched(workspace: Workspace, found: ModelVersion) -> Iterator[Path]:
    """Folder of a copy of the files we wrote for a version, removed after the block.

    MLflow copies those that lie on this machine, too, and would leave its copy behind for ever.
    """
    uri = workspace.mlflow_address
    with tempfile.TemporaryDirectory(prefix="aftercast-model-") as temporary:
        fetched = download_artifacts(artifact_uri=found.source, dst_path=temporary, tracking_uri=uri, registry_uri=uri)
        flavor: dict[str, Any] = Model.load(fetched).flavors["python_function"]
        yield Path(fetched) / flavor["data"]


def _version(found: ModelVersion, kind: Registered, *, champion: bool) -> Version:
    return Version(kind, str(found.version), found.run_id, champion, found.tags.get("aftercast.decision", ""))


def _same(version: Version | None, found: ModelVersion) -> bool:
    return version is not None and version.version == str(found.version)


def _ensure_name(mlflow: MlflowClient, name: str) -> None:
    try:
        mlflow.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
