"""Other servers of the same registered model: MLflow's own, and BentoML in an environment of its own."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Final

from benchmarks.operation.processes import MLFLOW, Part, answers

from aftercast.data.workspace import Workspace
from aftercast.models.registry.versions import CHAMPION, load_champion, model_name

HERE: Final = Path(__file__).parent / "bento"
PATIENCE_S: Final = 600


def mlflow_serve(workspace: Workspace, port: int, log: Path) -> Part:
    """`mlflow models serve` of the failure champion, one worker, in this environment."""
    command = [MLFLOW, "models", "serve", "--model-uri", f"models:/{model_name('failure')}@{CHAMPION}"]
    command += ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    environment = {
        "MLFLOW_TRACKING_URI": workspace.mlflow_address,
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",  # it starts uvicorn by name
    }
    return Part("mlflow", command, log, lambda: answers(f"http://127.0.0.1:{port}/ping"), environment)


def bento_serve(python: Path, model: Path, port: int, log: Path) -> Part:
    """`bentoml serve` of the files of a model, one worker, in an environment of its own."""
    command = [str(python), "-m", "bentoml", "serve", "forecast:Forecast", "--working-dir", str(HERE)]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    environment = {
        "FORECAST_MODEL": str(model),
        "BENTOML_DO_NOT_TRACK": "True",
        "BENTOML_HOME": str(log.parent / "bentoml"),
    }
    return Part("bentoml", command, log, lambda: answers(f"http://127.0.0.1:{port}/readyz"), environment)


def model_files(workspace: Workspace, folder: Path) -> Path:
    """Copy of the files of the failure champion.

    Raises
    ------
    NotFoundError
        If the workspace has none.
    """
    loaded = load_champion(workspace, "failure")
    loaded.model.save(folder)
    loaded.metadata.write(folder)
    return folder


def bento_environment(folder: Path) -> Path | str:
    """Python of an environment with BentoML, or in words why there is none.

    The environment stands before this one: BentoML finds the libraries it needs in its own versions, and the project
    with the numerical libraries of the model in the versions that the other servers use.
    """
    python = folder / "bin" / "python"
    commands = [
        [sys.executable, "-m", "venv", "--clear", str(folder)],
        [
            *(str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
            *("--require-hashes", "--no-deps", "--only-binary", ":all:", "-r", str(HERE / "requirements.txt")),
        ],
    ]
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
        if done.returncode != 0:
            said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or ["no reason given"]
            return f"its environment could not be made: {said[0]}"
    place = next((folder / "lib").glob("python*/site-packages"))
    line = f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n"
    (place / "project.pth").write_text(line, encoding="utf-8")
    return python
