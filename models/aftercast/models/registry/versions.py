"""Versions and champions in the registry of models; with its sister modules the only place that knows MLflow.

Order makes it safe to kill: everything is logged, then the version is registered, then the alias ``champion`` moves.
A run that died before the last step is never champion, and its version is found again by the key of the flow run.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from filelock import FileLock, Timeout
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from sqlalchemy.engine import make_url

from aftercast.data.workspace import Workspace
from aftercast.models.kind import Gate
from aftercast.models.kinds import kind_of
from aftercast.models.metadata import Metadata
from aftercast.models.registry.contact import require_answer, told_by_address
from aftercast.models.registry.relocation import follow_move
from aftercast.operations.errors import LookAheadError, NotFoundError, WorkspaceError

CHAMPION: Final = "champion"
MODEL_FOLDER: Final = "model"
KEY_TAG: Final = "aftercast.key"
UNTIL_TAG: Final = "aftercast.until"
DECISION_TAG: Final = "aftercast.decision"
GATE_TAG: Final = "aftercast.gate"
LEAKAGE_TAG: Final = "aftercast.leakage"
STOPPED_TAG: Final = "aftercast.leakage.stopped"
PATIENCE_S: Final = 60.0


@dataclass(frozen=True)
class Version:
    """A registered model version.

    Attributes
    ----------
    version
        Number as text, as MLflow has it.
    until
        ISO 8601 UTC: the end of what it was trained on.
    champion
        Whether it is what scores now.
    decision
        Why it was made champion or not, one sentence.
    """

    kind: str
    version: str
    run_id: str
    champion: bool
    decision: str
    until: str = ""


@dataclass(frozen=True)
class Loaded:
    """A model loaded from the registry, ready to predict."""

    kind: str
    model: Any
    version: str
    run_id: str
    metadata: Metadata


def model_name(kind: str) -> str:
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


def champion_version(workspace: Workspace, kind: str) -> Version | None:
    """Return the champion, None where there is none."""
    found = _champion(workspace, kind)
    return None if found is None else _version(found, kind, champion=True)


def load_champion(workspace: Workspace, kind: str) -> Loaded:
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
        raise NotFoundError(
            f"There is no {kind} model yet.", f"Run `aftercast train {kind}`, with --again if it was trained before."
        )
    return _load(workspace, kind, found)


def newest_version(workspace: Workspace, kind: str, key: str | None = None) -> Version | None:
    """Return the version registered last (by a flow run of this key), champion or not, None where there is none."""
    if _unused(workspace):
        return None
    made = "" if key is None else f" and tag.`{KEY_TAG}` = '{key}'"
    found = client(workspace).search_model_versions(f"name = '{model_name(kind)}'{made}")
    champion = champion_version(workspace, kind)
    newest = max(found, key=lambda version: int(version.version), default=None)
    return (
        None
        if newest is None
        else _version(newest, kind, champion=champion is not None and champion.version == str(newest.version))
    )


def load_version(workspace: Workspace, kind: str, version: str) -> Loaded:
    """Load a version by its number; raises NotFoundError where there is none."""
    return _load(workspace, kind, _registered(workspace, kind, version))


def _registered(workspace: Workspace, kind: str, version: str) -> ModelVersion:
    try:
        return client(workspace).get_model_version(model_name(kind), version)
    except MlflowException as error:
        raise NotFoundError(
            f"There is no version {version} of {model_name(kind)}.", "`aftercast mlflow` shows them."
        ) from error


def register(workspace: Workspace, kind: str, run_id: str, key: str, until: str) -> Version:
    """Register the model of a run, once for each key unless the run is another; it is not champion by that."""
    there = newest_version(workspace, kind, key)
    if there is not None and there.run_id == run_id:
        return there
    mlflow = client(workspace)
    _ensure_name(mlflow, model_name(kind))
    made = mlflow.create_model_version(
        model_name(kind),
        source=f"runs:/{run_id}/{MODEL_FOLDER}",
        run_id=run_id,
        tags={KEY_TAG: key, UNTIL_TAG: until},
    )
    return _version(made, kind, champion=False)


def promote(workspace: Workspace, found: Version, gate: Gate) -> Version:
    """Make a version champion when it passed its gate, and write down why or why not.

    A version that was trained until an earlier time than the champion does not replace it. A version that failed its
    gate never scores, and none whose run logged a leak ever does, whoever asks. One promotion of a kind at a time.

    Raises
    ------
    LookAheadError
        If the leakage linter stopped the version; it names the feature and the reason.
    """
    mlflow = client(workspace)
    with _one_promotion(workspace, found.kind):
        _refuse_leak(mlflow, found)
        mlflow.set_model_version_tag(model_name(found.kind), found.version, GATE_TAG, str(gate.passed).lower())
        before = champion_version(workspace, found.kind)
        if gate.passed and before is not None and before.until > found.until:
            why = f"version {before.version} was trained until later, {before.until[:16]}"
            told = f"Not champion: {why}. To use it all the same: aftercast promote."
            return _decide(workspace, found, champion=False, decision=told)
        word = "Champion" if gate.passed else "Not champion"
        return _decide(workspace, found, champion=gate.passed, decision=f"{word}: {gate.why}")


def promote_by_hand(workspace: Workspace, kind: str, version: str, *, even_if_worse: bool = False) -> Version:
    """Make a version champion because somebody says so.

    Raises
    ------
    NotFoundError
        If there is no such version.
    WorkspaceError
        If it failed its gate, and may not be so.
    LookAheadError
        If the leakage linter stopped it.
    """
    registered = _registered(workspace, kind, version)
    found, failed = _version(registered, kind, champion=False), registered.tags.get(GATE_TAG) == "false"
    with _one_promotion(workspace, kind):
        _refuse_leak(client(workspace), found)
        if failed and not even_if_worse:
            raise WorkspaceError(
                f"Version {version} of {model_name(kind)} failed its gate: {found.decision}",
                "What it says would mislead. To use it all the same: --even-if-worse.",
            )
        why = f", although it failed its gate ({found.decision})" if failed else ""
        return _decide(workspace, found, champion=True, decision=f"Champion: chosen by hand{why}.")


@contextmanager
def _one_promotion(workspace: Workspace, kind: str) -> Iterator[None]:
    """Let one promotion of a kind happen at a time, so that who is champion is read and changed in one piece."""
    folder = workspace.path("locks")
    folder.mkdir(exist_ok=True)
    try:
        with FileLock(folder / f"promote-{kind}.lock", timeout=PATIENCE_S):
            yield
    except Timeout as error:
        raise WorkspaceError(f"Another promotion of {kind} has not ended.", "Wait for it, or end it.") from error


def _decide(workspace: Workspace, found: Version, *, champion: bool, decision: str) -> Version:
    """Write the decision down, into the audit log first where the champion changes, then move the alias."""
    mlflow, name = client(workspace), model_name(found.kind)
    if champion:
        told = {"kind": found.kind, "version": found.version, "run_id": found.run_id, "decision": decision}
        workspace.audit.append("model.champion", told)
    mlflow.set_model_version_tag(name, found.version, DECISION_TAG, decision)
    if champion:
        mlflow.set_registered_model_alias(name, CHAMPION, found.version)
    return replace(found, champion=champion, decision=decision)


def has_registry(workspace: Workspace) -> bool:
    """Whether there is a registry to ask: a server, or a file that a training made."""
    return not _unused(workspace)


def _refuse_leak(mlflow: MlflowClient, found: Version) -> None:
    tags = mlflow.get_run(found.run_id).data.tags
    if tags.get(STOPPED_TAG) != "true":
        return
    decision = f"Not champion: {tags[LEAKAGE_TAG]}"
    mlflow.set_model_version_tag(model_name(found.kind), found.version, DECISION_TAG, decision)
    raise LookAheadError(
        f"Version {found.version} of {model_name(found.kind)} is not made champion. {tags[LEAKAGE_TAG]}",
        f"Mend or remove the feature and train again; `aftercast leakage {found.kind}` shows every finding.",
    )


def _champion(workspace: Workspace, kind: str) -> ModelVersion | None:
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


def _load(workspace: Workspace, kind: str, found: ModelVersion) -> Loaded:
    with fetched_files(workspace, str(found.source)) as folder:
        return Loaded(kind, kind_of(kind).load(folder), str(found.version), found.run_id, Metadata.read(folder))


@contextmanager
def fetched_files(workspace: Workspace, source: str) -> Iterator[Path]:
    """Folder of a copy of the files we wrote for a model, by its MLflow URI; removed after the block.

    MLflow copies those that lie on this machine, too, and would leave its copy behind for ever.
    """
    uri = workspace.mlflow_address
    with tempfile.TemporaryDirectory(prefix="aftercast-model-") as temporary:
        fetched = download_artifacts(artifact_uri=source, dst_path=temporary, tracking_uri=uri, registry_uri=uri)
        flavor: dict[str, Any] = Model.load(fetched).flavors["python_function"]
        yield Path(fetched) / flavor["data"]


def _version(found: ModelVersion, kind: str, *, champion: bool) -> Version:
    tags = found.tags
    return Version(
        kind, str(found.version), found.run_id, champion, tags.get(DECISION_TAG, ""), tags.get(UNTIL_TAG, "")
    )


def _ensure_name(mlflow: MlflowClient, name: str) -> None:
    try:
        mlflow.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
