"""The units of systemd: their commands and settings are known, and systemd itself has nothing to say against them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from tests.deploy.commands import understand
from tests.deploy.container import ROOT, environment_of, instructions, last_stage
from tests.deploy.named import DEFAULTS, settings_of

FOLDER = ROOT / "deploy" / "systemd"
HARDENING = FOLDER / "aftercast-.service.d" / "hardening.conf"
"""Lines of every unit, as systemd reads them into each whose name begins so."""
MEMORY = {"MALLOC_ARENA_MAX": "2", "MALLOC_TRIM_THRESHOLD_": "131072", "ARROW_DEFAULT_MEMORY_POOL": "system"}
UNITS = sorted(FOLDER.glob("*.service"))
TIMERS = sorted(FOLDER.glob("*.timer"))


def unit_values(path: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in [*path.read_text().splitlines(), *HARDENING.read_text().splitlines()]:
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_runs_a_command_that_is_understood_with_settings_that_are_known(path: Path, tmp_path: Path) -> None:
    values = unit_values(path)
    program, *words = values["ExecStart"][0].split()
    assert program == "/opt/aftercast/bin/aftercast"
    understand(words)
    pairs = dict(word.split("=", 1) for line in values["Environment"] for word in line.split())
    settings_of(pairs, tmp_path)
    assert pairs["AFTERCAST_WORKSPACE"].startswith(f"/var/lib/{values['StateDirectory'][0]}/")
    assert {"NUMBA_CACHE_DIR", "HOME"} <= pairs.keys()


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_limits_the_memory_that_threads_hold_as_the_image_does(path: Path) -> None:
    pairs = dict(word.split("=", 1) for line in unit_values(path)["Environment"] for word in line.split())
    image = environment_of(last_stage(instructions(ROOT / "Dockerfile")))
    assert {name: pairs.get(name) for name in MEMORY} == {name: image.get(name) for name in MEMORY} == MEMORY


def test_a_unit_gives_the_service_longer_to_stop_than_its_requests() -> None:
    (text,) = unit_values(FOLDER / "aftercast-serve.service")["TimeoutStopSec"]
    assert int(text) > DEFAULTS.serving.stop_timeout_s


@pytest.mark.service
@pytest.mark.parametrize("path", [*UNITS, *TIMERS], ids=lambda path: path.name)
def test_systemd_finds_nothing_wrong_with_a_unit(path: Path, tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not on this machine")
    shutil.copytree(HARDENING.parent, tmp_path / HARDENING.parent.name)
    for unit in (*UNITS, *TIMERS):
        text = unit.read_text().replace("/opt/aftercast/bin/aftercast", "/bin/true")
        (tmp_path / unit.name).write_text(text)
    done = subprocess.run(
        [analyze, "verify", "--man=no", "--recursive-errors=one", tmp_path / path.name],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.service
@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_systemd_calls_a_unit_little_exposed(path: Path) -> None:
    """Below 2.0 of 10; a service without any of these lines has 9.6."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not on this machine")
    words = [analyze, "security", "--no-pager", "--offline=true", "--threshold=20", str(path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_timer_starts_a_unit_that_exists() -> None:
    assert [timer.with_suffix(".service") for timer in TIMERS if not timer.with_suffix(".service").exists()] == []
    assert TIMERS
