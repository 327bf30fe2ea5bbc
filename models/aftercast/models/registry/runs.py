"""Writes one training into one MLflow run: parameters, data version, metrics of all models, plots, files, the model.

A run carries the key of the flow run that made it. Whatever an earlier, killed run of the same key left behind is
marked KILLED first, so that a run that says FINISHED is whole and there is one of it for each key.
"""

from __future__ import annotations

import json
import math
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunStatus, RunTag, ViewType
from mlflow.exceptions import MlflowException
from mlflow.models import infer_signature
from mlflow.pyfunc import save_model

from aftercast.data.workspace import Workspace
from aftercast.models.judge.plots import MISSING_GLYPH
from aftercast.models.kind import Training
from aftercast.models.kinds import kind_of
from aftercast.models.metadata import Metadata
from aftercast.models.registry.logged_names import logged_names
from aftercast.models.registry.versions import (
    KEY_TAG,
    LEAKAGE_TAG,
    MODEL_FOLDER,
    STOPPED_TAG,
    client,
    fetched_files,
    model_name,
)
from aftercast.operations.errors import ModelMismatchError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


LOADER: Final = "aftercast.models.registry.pyfunc_loader"
LONGEST_TAG: Final = 2000
MOST_METRICS: Final = 1000
MOST_PARAMS: Final = 100
"""Most of one call to MLflow."""


def log_training(workspace: Workspace, training: Training, metadata: Metadata) -> str:
    """Write a run and return its id; a finished run of the same key whose model is there still is returned instead."""
    mlflow = client(workspace)
    experiment = _experiment(workspace, mlflow, model_name(metadata.kind))
    finished = _end_dead_runs(mlflow, experiment, metadata.key)
    if finished is not None and _can_be_loaded(workspace, metadata.kind, finished):
        return finished
    name = f"{metadata.kind} until {metadata.until[:10]}"
    with _run(mlflow, experiment, metadata.key, name) as run_id, tempfile.TemporaryDirectory() as folder:
        _log_values(mlflow, run_id, training, metadata)
        _log_files(mlflow, run_id, training)
        _log_model(mlflow, run_id, training, metadata, Path(folder))
    return run_id


def log_search(
    workspace: Workspace, kind: str, key: str, found: Mapping[str, Any], figures: Mapping[str, Figure]
) -> str:
    """Write a search of settings as one run of the experiment ``aftercast-<kind>-tuning``; return its id.

    Parameters
    ----------
    found
        Trials, the best, the verdict and the settings to train with, as JSON values.
    """
    mlflow = client(workspace)
    experiment = _experiment(workspace, mlflow, f"{model_name(kind)}-tuning")
    finished = _end_dead_runs(mlflow, experiment, key)
    if finished is not None:
        return finished
    with _run(mlflow, experiment, key, f"{len(found['trials'])} trials") as run_id:
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
        _log_figures(mlflow, run_id, figures)
    return run_id


@contextmanager
def _run(mlflow: MlflowClient, experiment: str, key: str, name: str) -> Iterator[str]:
    """Id of a new run, which is finished only when everything of the block was logged."""
    run_id: str = mlflow.create_run(experiment, run_name=name).info.run_id
    mlflow.set_tag(run_id, KEY_TAG, key)
    yield run_id
    mlflow.set_terminated(run_id, RunStatus.to_string(RunStatus.FINISHED))


def _experiment(workspace: Workspace, mlflow: MlflowClient, name: str) -> str:
    found = mlflow.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    remote = workspace.mlflow_address.startswith("http")
    place = None if remote else f"{workspace.mlflow_artifacts}/{name}"
    return str(mlflow.create_experiment(name, artifact_location=place))


def _end_dead_runs(mlflow: MlflowClient, experiment: str, key: str) -> str | None:
    """Mark unfinished runs of a key KILLED, and return the id of the newest finished one where there is one.

    The caller holds the lock of the key: an unfinished run has nobody working on it.
    """
    oldest_first = ["attributes.start_time ASC"]
    runs = mlflow.search_runs(
        [experiment], f"tags.`{KEY_TAG}` = '{key}'", run_view_type=ViewType.ACTIVE_ONLY, order_by=oldest_first
    )
    finished = None
    for run in runs:
        if run.info.status == "FINISHED":
            finished = str(run.info.run_id)
        elif run.info.status == "RUNNING":
            mlflow.set_terminated(run.info.run_id, RunStatus.to_string(RunStatus.KILLED))
    return finished


def _can_be_loaded(workspace: Workspace, kind: str, run_id: str) -> bool:
    """Whether the files of a run's model are there; where they were lost, a training done again makes new ones."""
    try:
        with fetched_files(workspace, f"runs:/{run_id}/{MODEL_FOLDER}") as folder:
            kind_of(kind).load(folder)
    except (MlflowException, OSError, ModelMismatchError):
        return False
    return True


def _log_values(mlflow: MlflowClient, run_id: str, training: Training, metadata: Metadata) -> None:
    about = metadata.model_dump(exclude={"libraries", "facts"})
    libraries = {f"library.{name}": version for name, version in metadata.libraries.items()}
    values = {**about, **metadata.facts, **training.params, **libraries}
    found = {f"{who}.{name}": float(value) for who, each in training.metrics.items() for name, value in each.items()}
    metric_names, param_names = logged_names(found), logged_names(values)
    now = int(time.time() * 1000)
    metrics = [Metric(metric_names[name], value, now, 0) for name, value in found.items() if math.isfinite(value)]
    params = [Param(param_names[name], _text(value)) for name, value in values.items()]
    for first in range(0, len(metrics), MOST_METRICS):
        mlflow.log_batch(run_id, metrics=metrics[first : first + MOST_METRICS])
    for first in range(0, len(params), MOST_PARAMS):
        mlflow.log_batch(run_id, params=params[first : first + MOST_PARAMS])
    mlflow.set_tag(run_id, "aftercast.data_version", str(metadata.data_version))


def _log_files(mlflow: MlflowClient, run_id: str, training: Training) -> None:
    mlflow.log_text(run_id, json.dumps(training.metrics, indent=2, default=float), "metrics.json")
    if training.leakage is not None:
        mlflow.log_text(run_id, json.dumps(training.leakage.to_dict(), indent=2, default=str), "leakage.json")
        mlflow.set_tag(run_id, LEAKAGE_TAG, training.leakage.verdict[:LONGEST_TAG])
        mlflow.set_tag(run_id, STOPPED_TAG, str(training.leakage.stopped).lower())
    for name, text in training.texts.items():
        mlflow.log_text(run_id, text, name)
    _log_figures(mlflow, run_id, training.figures)


def _log_figures(mlflow: MlflowClient, run_id: str, figures: Mapping[str, Figure]) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", MISSING_GLYPH)
        for name, figure in figures.items():
            mlflow.log_figure(run_id, figure, f"plots/{name}.png")


def _log_model(mlflow: MlflowClient, run_id: str, training: Training, metadata: Metadata, folder: Path) -> None:
    data = folder / "files"
    data.mkdir()
    training.model.save(data)
    metadata.write(data)
    with warnings.catch_warnings():
        # The signature is given; an example of rows would put device data into the artifact. Cycles are whole numbers
        # and never missing.
        warnings.filterwarnings("ignore", message=".*(input example|integer column).*")
        save_model(
            folder / MODEL_FOLDER,
            loader_module=LOADER,
            data_path=str(data),
            signature=infer_signature(_plain(training.asked), training.answered),
            pip_requirements=[
                f"{name}=={found}" for name, found in sorted(metadata.libraries.items()) if name != "python"
            ],
        )
    mlflow.log_artifacts(run_id, str(folder / MODEL_FOLDER), MODEL_FOLDER)


def _plain(features: pd.DataFrame) -> pd.DataFrame:
    """Categories as text: MLflow's signatures know no categories."""
    text = [name for name, dtype in features.dtypes.items() if isinstance(dtype, pd.CategoricalDtype)]
    return features.assign(**{str(name): features[name].astype(object) for name in text})


def _text(value: object) -> str:
    """Text of a parameter; MLflow keeps at most 6000 characters."""
    text = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return text[:6000]
