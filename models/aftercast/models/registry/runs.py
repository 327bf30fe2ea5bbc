"""Writes one training into one MLflow run: parameters, data version, features, metrics of all models, plots, the model.

A run carries the key of the flow run that made it. Whatever an earlier, killed run of the same key left behind is
marked KILLED first, so that a run that says FINISHED is whole and there is one of it for each key.
"""

from __future__ import annotations

import json
import math
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd
from matplotlib.figure import Figure
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunStatus, RunTag, ViewType
from mlflow.models import infer_signature
from mlflow.pyfunc import save_model

from aftercast.data.workspace import Workspace
from aftercast.features.replay import LeakageReport
from aftercast.features.scope import Feature
from aftercast.models.hazard import HazardModel
from aftercast.models.registry.metadata import Metadata
from aftercast.models.registry.pyfunc_loader import table
from aftercast.models.registry.versions import (
    KEY_TAG,
    LEAKAGE_TAG,
    MODEL_FOLDER,
    STOPPED_TAG,
    Registered,
    client,
    model_name,
)
from aftercast.operations.database.forecasts import Kind

SIGNATURE_ROWS: Final = 50
LONGEST_TAG: Final = 2000


@dataclass(frozen=True)
class TrainingRecord:
    """What is logged of one training.

    Attributes
    ----------
    metrics
        Model or baseline -> metric -> value; the trained model is called ``model``. Values that are no finite number
        are left out.
    figures
        File name without ending -> plot.
    sample
        Some feature rows, for the signature.
    leakage
        What the leakage linter found; one that stops keeps the model from being promoted.
    """

    metadata: Metadata
    model: HazardModel
    dictionary: Sequence[Feature]
    metrics: Mapping[str, Mapping[str, float]]
    figures: Mapping[str, Figure]
    sample: pd.DataFrame
    params: Mapping[str, object]
    leakage: LeakageReport | None = None


def log_training(workspace: Workspace, record: TrainingRecord) -> str:
    """Write a run and return its id; a finished run of the same key is returned instead of a second one."""
    mlflow = client(workspace)
    kind, key = record.metadata.kind, record.metadata.key
    experiment = _experiment(workspace, mlflow, model_name(kind))
    finished = _end_dead_runs(mlflow, experiment, key)
    if finished is not None:
        return finished
    run_id: str = mlflow.create_run(experiment, run_name=f"{kind} until {record.metadata.until[:10]}").info.run_id
    mlflow.set_tag(run_id, KEY_TAG, key)
    _log_values(mlflow, run_id, record)
    with tempfile.TemporaryDirectory() as folder:
        _log_files(mlflow, run_id, record, Path(folder))
    mlflow.set_terminated(run_id, RunStatus.to_string(RunStatus.FINISHED))
    return run_id


def log_search(
    workspace: Workspace, kind: Kind, key: str, found: Mapping[str, Any], figures: Mapping[str, Figure]
) -> str:
    """Write a search of settings as one run of the experiment ``aftercast-<kind>-tuning``; return its id.

    Parameters
    ----------
    found
        What :meth:`Found.to_dict` gives.
    """
    mlflow = client(workspace)
    experiment = _experiment(workspace, mlflow, f"{model_name(kind)}-tuning")
    finished = _end_dead_runs(mlflow, experiment, key)
    if finished is not None:
        return finished
    run_id: str = mlflow.create_run(experiment, run_name=f"{len(found['trials'])} trials").info.run_id
    mlflow.set_tag(run_id, KEY_TAG, key)
    now = int(time.time() * 1000)
    losses = [(trial["number"], sum(trial["losses"]) / len(trial["losses"])) for trial in found["trials"]]
    verdict = {name: found["verdict"][name] for name in ("default", "best", "difference", "standard_error")}
    mlflow.log_batch(
        run_id,
        metrics=[Metric("trial_log_loss", loss, now, number) for number, loss in losses]
        + [Metric(f"held.{name}", value, now, 0) for name, value in verdict.items()],
        params=[Param(f"best.{name}", _text(value)) for name, value in found["best"]["values"].items()],
        tags=[RunTag("aftercast.verdict", found["verdict"]["sentence"])],
    )
    mlflow.log_text(run_id, json.dumps(found, indent=2), "search.json")
    for name, figure in figures.items():
        mlflow.log_figure(run_id, figure, f"plots/{name}.png")
    mlflow.set_terminated(run_id, RunStatus.to_string(RunStatus.FINISHED))
    return run_id


@dataclass(frozen=True)
class PlainRecord:
    """What is logged of a training of a model that is no hazard model.

    Attributes
    ----------
    kind, key
        What is trained, and the key of the flow run.
    metrics
        Metric -> value.
    texts
        File name -> content.
    save
        Writes the files of the model into the folder it is given.
    loader
        Module whose ``_load_pyfunc`` opens that folder.
    asked, answered
        Some rows and the answers to them, for the signature.
    libraries
        Library -> version that the model needs.
    """

    kind: Registered
    key: str
    name: str
    metrics: Mapping[str, float]
    params: Mapping[str, object]
    figures: Mapping[str, Figure]
    texts: Mapping[str, str]
    save: Callable[[Path], None]
    loader: str
    asked: pd.DataFrame
    answered: pd.DataFrame
    libraries: Mapping[str, str]


def log_plain(workspace: Workspace, record: PlainRecord) -> str:
    """Write a run and return its id; a finished run of the same key is returned instead of a second one."""
    mlflow = client(workspace)
    experiment = _experiment(workspace, mlflow, model_name(record.kind))
    finished = _end_dead_runs(mlflow, experiment, record.key)
    if finished is not None:
        return finished
    run_id: str = mlflow.create_run(experiment, run_name=record.name).info.run_id
    mlflow.set_tag(run_id, KEY_TAG, record.key)
    now = int(time.time() * 1000)
    mlflow.log_batch(
        run_id,
        metrics=[Metric(name, value, now, 0) for name, value in record.metrics.items() if math.isfinite(value)],
        params=[Param(name, _text(value)) for name, value in record.params.items()],
    )
    for name, text in record.texts.items():
        mlflow.log_text(run_id, text, name)
    for name, figure in record.figures.items():
        mlflow.log_figure(run_id, figure, f"plots/{name}.png")
    with tempfile.TemporaryDirectory() as folder:
        _log_plain_model(mlflow, run_id, record, Path(folder))
    mlflow.set_terminated(run_id, RunStatus.to_string(RunStatus.FINISHED))
    return run_id


def _log_plain_model(mlflow: MlflowClient, run_id: str, record: PlainRecord, folder: Path) -> None:
    data = folder / "files"
    data.mkdir()
    record.save(data)
    with warnings.catch_warnings():
        # As for hazard models the signature is given; cycles are whole numbers and never missing.
        warnings.filterwarnings("ignore", message=".*(input example|integer column).*")
        save_model(
            folder / MODEL_FOLDER,
            loader_module=record.loader,
            data_path=str(data),
            signature=infer_signature(record.asked, record.answered),
            pip_requirements=[f"{name}=={version}" for name, version in record.libraries.items() if name != "python"],
        )
    mlflow.log_artifacts(run_id, str(folder / MODEL_FOLDER), MODEL_FOLDER)


def _experiment(workspace: Workspace, mlflow: MlflowClient, name: str) -> str:
    found = mlflow.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    remote = workspace.mlflow_address.startswith("http")
    place = None if remote else f"{workspace.mlflow_artifacts}/{name}"
    return str(mlflow.create_experiment(name, artifact_location=place))


def _end_dead_runs(mlflow: MlflowClient, experiment: str, key: str) -> str | None:
    """Mark unfinished runs of a key KILLED, and return the id of a finished one where there is one.

    The caller holds the lock of the key: an unfinished run has nobody working on it.
    """
    runs = mlflow.search_runs([experiment], f"tags.`{KEY_TAG}` = '{key}'", run_view_type=ViewType.ACTIVE_ONLY)
    finished = None
    for run in runs:
        if run.info.status == "FINISHED":
            finished = str(run.info.run_id)
        elif run.info.status == "RUNNING":
            mlflow.set_terminated(run.info.run_id, RunStatus.to_string(RunStatus.KILLED))
    return finished


def _log_values(mlflow: MlflowClient, run_id: str, record: TrainingRecord) -> None:
    about = asdict(record.metadata)
    libraries = {f"library.{name}": version for name, version in about.pop("libraries").items()}
    values = {**about, "features": len(record.dictionary), **record.params, **libraries}
    now = int(time.time() * 1000)
    metrics = [
        Metric(f"{who}.{name}".replace("@", "_at_").replace("%", "_percent"), float(value), now, 0)
        for who, found in record.metrics.items()
        for name, value in found.items()
        if math.isfinite(value)
    ]
    mlflow.log_batch(
        run_id,
        metrics=metrics,
        params=[Param(name, _text(value)) for name, value in values.items()],
        tags=[RunTag("aftercast.data_version", str(record.metadata.data_version))],
    )


def _log_files(mlflow: MlflowClient, run_id: str, record: TrainingRecord, folder: Path) -> None:
    dictionary = [asdict(feature) for feature in record.dictionary]
    mlflow.log_text(run_id, json.dumps(dictionary, indent=2, ensure_ascii=False), "feature_dictionary.json")
    mlflow.log_text(run_id, json.dumps(record.metrics, indent=2, default=float), "metrics.json")
    if record.leakage is not None:
        mlflow.log_text(run_id, json.dumps(record.leakage.to_dict(), indent=2, default=str), "leakage.json")
        mlflow.set_tag(run_id, LEAKAGE_TAG, record.leakage.verdict[:LONGEST_TAG])
        mlflow.set_tag(run_id, STOPPED_TAG, str(record.leakage.stopped).lower())
    for name, figure in record.figures.items():
        mlflow.log_figure(run_id, figure, f"plots/{name}.png")
    data = folder / "forecast"
    data.mkdir()
    record.model.save(data)
    record.metadata.write(data)
    sample = _plain(record.sample.head(SIGNATURE_ROWS))
    with warnings.catch_warnings():
        # The signature is given; an example of rows would put device data into the artifact.
        warnings.filterwarnings("ignore", message=".*input example.*")
        save_model(
            folder / MODEL_FOLDER,
            loader_module="aftercast.models.registry.pyfunc_loader",
            data_path=str(data),
            signature=infer_signature(sample, table(record.model.predict(record.sample.head(SIGNATURE_ROWS)))),
            pip_requirements=[f"{name}=={version}" for name, version in _requirements(record.metadata)],
        )
    mlflow.log_artifacts(run_id, str(folder / MODEL_FOLDER), MODEL_FOLDER)


def _plain(features: pd.DataFrame) -> pd.DataFrame:
    """Categories as text: MLflow's signatures know no categories."""
    text = [name for name, dtype in features.dtypes.items() if isinstance(dtype, pd.CategoricalDtype)]
    return features.assign(**{str(name): features[name].astype(object) for name in text})


def _requirements(metadata: Metadata) -> list[tuple[str, str]]:
    return [(name, version) for name, version in sorted(metadata.libraries.items()) if name != "python"]


def _text(value: object) -> str:
    """Text of a parameter; MLflow keeps at most 6000 characters."""
    text = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return text[:6000]
