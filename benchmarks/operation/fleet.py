"""A small fleet to operate on: simulated, imported, trained with few horizons for failures and churn, scored."""

from __future__ import annotations

from pathlib import Path

from aftercast.data.fleet import load_fleet
from aftercast.data.ingest import Batch, ingest
from aftercast.data.simulator import simulate
from aftercast.data.workspace import Workspace, create_workspace, open_workspace
from aftercast.models.kind import Gate
from aftercast.models.registry.versions import Version, promote
from aftercast.pipelines.ingest import run_ingest
from aftercast.pipelines.score import run_score
from aftercast.pipelines.train import run_train


def make_fleet(
    folder: Path,
    *,
    devices: int,
    days: int,
    addresses: dict[str, str] | None = None,
    known: str | None = None,
    churn: bool = False,
) -> Workspace:
    """Make a workspace whose models have been trained and have scored.

    Parameters
    ----------
    addresses
        ``database`` and ``mlflow`` addresses, where they are not files of the workspace.
    known
        Id of one more device, a copy of the first.
    churn
        Whether there is a churn model too; it takes a longer time to have enough who leave.
    """
    tables = folder.parent / f"{folder.name}-tables"
    simulate(tables, devices=devices, days=days, seed=5)
    fleet = load_fleet(tables / "fleet.toml")
    quick = fleet.training.model_copy(update={"cutoff_every": "48h", "minimum_failures": 3})
    churn_spec = fleet.churn.model_copy(update={"horizons": ("30d", "60d")})
    create_workspace(
        folder, fleet.model_copy(update={"horizons": ("24h", "7d", "30d"), "training": quick, "churn": churn_spec})
    )
    _address(folder / "aftercast.toml", addresses or {})
    workspace = open_workspace(folder)
    run_ingest(workspace, "tables", tables / "tables")
    if known is not None:
        _copy_first(workspace, known)
    run_train(workspace, "failure")
    if churn:
        _train_churn(workspace)
    run_score(workspace)
    return workspace


def _train_churn(workspace: Workspace) -> None:
    made = run_train(workspace, "churn").result
    # Few customers cannot beat the base rate every time; what is measured here is operation, not skill.
    version = Version("churn", made["version"], made["run_id"], champion=False, decision="", until=made["until"])
    promote(workspace, version, Gate(passed=True, why="asked for."))


def _copy_first(workspace: Workspace, device_id: str) -> None:
    first = str(workspace.store.read("devices")["device_id"].iloc[0])
    batches = []
    for table in ("devices", "telemetry", "faults"):
        rows = workspace.store.read(table, device_ids=[first])
        batches.append(Batch(table, rows.assign(device_id=device_id), "copy"))
    ingest(workspace.store, batches, workspace.fleet, origin="copy")


def _address(path: Path, addresses: dict[str, str]) -> None:
    text = path.read_text(encoding="utf-8")
    for default, section in (("sqlite:///aftercast.db", "database"), ("sqlite:///mlflow.db", "mlflow")):
        text = text.replace(f'"{default}"', f'"{addresses.get(section, default)}"')
    path.write_text(text.replace('rate_limit = "6000/minute"', 'rate_limit = ""'), encoding="utf-8")
