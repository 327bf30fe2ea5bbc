"""Build the wheel, check what is in it, install it into an empty environment and use it from there."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOTS = ("data", "features", "models", "pipelines", "serving")
PACKAGES = {"operations", "data", "features", "models", "pipelines", "cli", "serving"}
COMMANDS = (["--version"], ["init", "fleet"], ["simulate", "--devices", "3", "--days", "20", "--seed", "1"], ["status"])


def build(folder: Path) -> Path:
    """Build the wheel into folder and return its path."""
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return next(folder.glob("*.whl"))


def check_content(wheel: Path) -> None:
    """Refuse a wheel that misses a part, closes the namespace or carries anything else."""
    names = zipfile.ZipFile(wheel).namelist()
    code = [name for name in names if not name.split("/")[0].endswith(".dist-info")]
    parts = {name.split("/")[1] for name in code}
    stray = [name for name in code if not name.startswith("aftercast/")]
    untyped = [part for part in PACKAGES if f"aftercast/{part}/py.typed" not in names]
    files = [(part, path) for part in ROOTS for path in (ROOT / part / "aftercast").rglob("*") if path.is_file()]
    sources = {str(path.relative_to(ROOT / part)) for part, path in files if path.parent.name != "__pycache__"}
    missing = sorted(sources - set(names))
    if parts != PACKAGES or stray or untyped or missing or "aftercast/__init__.py" in names:
        sys.exit(f"The wheel is wrong: parts {sorted(parts)}, stray {stray}, untyped {untyped}, missing {missing[:5]}.")


def install(wheel: Path, folder: Path) -> tuple[Path, dict[str, str]]:
    """Install the wheel into an empty environment beside this one's libraries; its python, and the variables to use.

    The libraries come after the wheel's own folder and without their .pth files: the checkout stays out of reach.
    """
    environment = folder / "environment"
    venv.create(environment, with_pip=False)
    target = next(environment.glob("lib/python*/site-packages"))
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", str(target), str(wheel)],
        check=True,
    )
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    variables = {**clean, "PYTHONPATH": f"{target}{os.pathsep}{sysconfig.get_path('purelib')}"}
    python = environment / "bin" / "python"
    where = subprocess.run(
        [python, "-c", "import aftercast.data.contract as c; print(c.__file__)"],
        check=True, env=variables, cwd=folder, capture_output=True, text=True,
    )  # fmt: skip
    if not where.stdout.startswith(str(environment)):
        sys.exit(f"The wheel was not used: {where.stdout.strip()}.")
    return python, variables


def run_commands(python: Path, variables: dict[str, str], folder: Path) -> None:
    """Run the command line far from the checkout."""
    run = [str(python), "-c", "from aftercast.cli.main import run; run()"]
    for command in COMMANDS:
        own = {**variables, "AFTERCAST_WORKSPACE": str(folder / "fleet")}
        done = subprocess.run([*run, *command], env=own, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"aftercast {' '.join(command)} failed from the wheel:\n{done.stdout}{done.stderr}")


def main(arguments: list[str]) -> int:
    """Build, check, install and use the wheel; with arguments, run pytest with them against it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wheel = build(folder / "dist")
        check_content(wheel)
        python, variables = install(wheel, folder)
        run_commands(python, variables, folder)
        sys.stdout.write(f"{wheel.name}: complete; {len(COMMANDS)} commands ran from an empty environment\n")
        sys.stdout.flush()
        if not arguments:
            return 0
        return subprocess.run(
            [str(python), "-m", "pytest", *arguments], env=variables, cwd=ROOT, check=False
        ).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
