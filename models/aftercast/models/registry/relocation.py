"""A workspace that was moved or copied: MLflow keeps whole paths of files, which must follow.

MLflow has no call for that. Left alone, a moved workspace cannot load its models, and a copy reads those of the
original and writes new ones among them.
"""

from __future__ import annotations

import logging
from functools import lru_cache
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, NullPool, create_engine, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DatabaseError

from aftercast.data.workspace import Workspace

OURS: Final = text("SELECT experiment_id, artifact_location FROM experiments WHERE name LIKE 'aftercast-%'")
EXPERIMENT: Final = text("UPDATE experiments SET artifact_location = :new WHERE experiment_id = :experiment")
RUNS: Final = text(
    "UPDATE runs SET artifact_uri = :new || substr(artifact_uri, length(:old) + 1)"
    " WHERE experiment_id = :experiment AND substr(artifact_uri, 1, length(:old) + 1) = :old || '/'"
)
logger: Final = logging.getLogger(__name__)


def follow_move(workspace: Workspace) -> None:
    """Point our experiments and their runs at the folder of artifacts in the workspace, once in the life of a process.

    Only where both are the workspace's own: MLflow's database a file, the artifacts a relative folder. An experiment
    is left alone unless it has a folder in the workspace and its path ends as that does: one that another setting put
    elsewhere stays there. Where the database cannot be written it is left as it is, with a warning.
    """
    address, artifacts = make_url(workspace.mlflow_address), workspace.settings.mlflow.artifacts
    within = "://" not in artifacts and not Path(artifacts).is_absolute()
    if within and address.get_backend_name() == "sqlite" and Path(str(address.database)).exists():
        _follow(workspace.mlflow_address, Path(workspace.mlflow_artifacts), len(Path(artifacts).parts))


@lru_cache(maxsize=8)
def _follow(address: str, artifacts: Path, deep: int) -> None:
    engine = create_engine(address, poolclass=NullPool)
    try:
        with engine.begin() as connection:
            if inspect(connection).has_table("experiments"):
                _rewrite(connection, artifacts, deep)
    except DatabaseError as error:
        logger.warning("Whether MLflow's paths lead into the workspace could not be seen to: %s", error.orig)


def _rewrite(connection: Connection, artifacts: Path, deep: int) -> None:
    for experiment, location in connection.execute(OURS).all():
        old = Path(str(location))
        new = artifacts / old.name
        if old == new or not new.is_dir() or old.parts[-deep - 1 :] != new.parts[-deep - 1 :]:
            continue
        told = {"experiment": experiment, "old": str(old), "new": str(new)}
        connection.execute(EXPERIMENT, told)
        runs = connection.execute(RUNS, told).rowcount
        logger.info("The workspace was moved: %d runs of %s now have their files in %s", runs, old.name, new)
