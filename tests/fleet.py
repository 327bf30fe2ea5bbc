"""The simulated fleet of the integration tests: trained in a process of its own, and kept between sessions.

``python -m tests.fleet FOLDER`` makes one. The process of its own closes every database it opened, so that the files
may be copied as files.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from filelock import FileLock

import aftercast
from aftercast.data.fleet import FleetSpec, load_fleet
from aftercast.data.simulator import simulate
from aftercast.data.workspace import create_workspace, open_workspace
from aftercast.models.kind import Gate
from aftercast.models.registry.versions import Version, promote
from aftercast.operations.environment import quiet_libraries
from aftercast.pipelines.ingest import run_ingest
from aftercast.pipelines.score import run_score
from aftercast.pipelines.train import run_train

DEVICES, DAYS, SEED = 60, 150, 5
ROOT = Path(__file__).parents[1]
KEPT = ROOT / ".test-fleets"
"""Fleets by digest of what made them; in no commit."""
WORKSPACE, TABLES = "workspace", "simulated"
"""What is in the folder of a fleet."""


def kept_fleet() -> Path:
    """Folder of the fleet that this source trains; trained now unless a former session left it."""
    KEPT.mkdir(exist_ok=True)
    with FileLock(KEPT / "lock"):
        kept = KEPT / digest_of_makers()
        if not kept.exists():
            for former in KEPT.iterdir():
                if former.is_dir():
                    shutil.rmtree(former)
            with tempfile.TemporaryDirectory(prefix="unfinished-", dir=KEPT) as unfinished:
                made = Path(unfinished) / "fleet"
                subprocess.run([sys.executable, "-m", "tests.fleet", str(made)], cwd=ROOT, check=True)
                made.rename(kept)
    return kept


def digest_of_makers() -> str:
    """SHA-256 over all that decides what the fleet becomes: packages that make it, locked libraries and this file."""
    makers = [(path, root) for root in map(Path, aftercast.__path__) for path in root.rglob("*")]
    sources = [each for each in makers if each[0].relative_to(each[1]).parts[0] not in {"serving", "cli"}]
    named = {str(path.relative_to(root)): path for path, root in sources if "__pycache__" not in path.parts}
    named |= {str(path.relative_to(ROOT)): path for path in (Path(__file__), ROOT / "requirements.lock")}
    digest = hashlib.sha256()
    for name in sorted(named):
        if named[name].is_file():
            digest.update(f"{name}\0{hashlib.sha256(named[name].read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()[:16]


def build_fleet(folder: Path) -> None:
    """Make the simulated tables and the workspace by the same functions the commands call."""
    tables = folder / TABLES
    simulate(tables, devices=DEVICES, days=DAYS, seed=SEED)
    create_workspace(folder / WORKSPACE, quick(load_fleet(tables / "fleet.toml")))
    workspace = open_workspace(folder / WORKSPACE)
    run_ingest(workspace, "tables", tables / "tables")
    run_train(workspace, "failure")
    churn = run_train(workspace, "churn").result
    # Two dozen customers are too few to beat the base rate every time; these tests are of the chain, not of skill.
    version = Version("churn", churn["version"], churn["run_id"], champion=False, decision="", until=churn["until"])
    promote(workspace, version, Gate(passed=True, why="asked for."))
    run_score(workspace)


def quick(fleet: FleetSpec) -> FleetSpec:
    """Fewer horizons and cutoffs, so that training takes seconds, and few failures asked: some 40 customers do."""
    training = fleet.training.model_copy(update={"minimum_failures": 3, "cutoff_every": "48h"})
    return fleet.model_copy(
        update={
            "horizons": ("24h", "7d", "30d"),
            "churn": fleet.churn.model_copy(update={"horizons": ("30d", "60d")}),
            "training": training,
        }
    )


if __name__ == "__main__":
    quiet_libraries()
    build_fleet(Path(sys.argv[1]))
