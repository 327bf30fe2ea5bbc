"""What MLflow logged of a training run, for those who show it."""

from __future__ import annotations

from mlflow.exceptions import MlflowException

from aftercast.data.workspace import Workspace
from aftercast.models.registry.versions import client


def run_metrics(workspace: Workspace, run_id: str) -> dict[str, float]:
    """Metrics of a run by name, the last value of each; empty where the run was deleted."""
    try:
        metrics: dict[str, float] = client(workspace).get_run(run_id).data.metrics
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return {}
        raise
    return dict(metrics)
