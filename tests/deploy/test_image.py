"""The container file copies what exists, fetches what is hashed, and sets what the settings know."""

from __future__ import annotations

import fnmatch
import re
from pathlib import Path

from tests.deploy.commands import understand
from tests.deploy.container import ROOT, environment_of, instructions, last_stage
from tests.deploy.named import DEFAULTS, PROJECT, settings_of

DOCKERFILE = instructions(ROOT / "Dockerfile")
IMAGE = last_stage(DOCKERFILE)


def test_whatever_is_copied_exists_and_reaches_the_builder() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    let_through = [line.removeprefix("!") for line in ignored if line.startswith("!")]
    copied = [i.rest.split()[:-1] for i in DOCKERFILE if i.word == "COPY" and not i.rest.startswith("--from")]
    sources = [source for words in copied for source in words]
    assert len(sources) > 8
    assert [source for source in sources if not (ROOT / source).exists()] == []
    assert sorted(let_through) == sorted(sources)
    assert "*" in ignored


def test_no_secret_or_workspace_can_reach_the_builder() -> None:
    ignored = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    for place in (".git/config", "deploy/secrets/pgpass", "demo-workspace/aftercast.db", ".venv/pyvenv.cfg"):
        let_through = [line[1:] for line in ignored if line.startswith("!")]
        assert not any(fnmatch.fnmatch(place, f"{line}*") for line in let_through), place


def test_no_shell_runs_anything_and_nothing_is_fetched_but_what_the_locks_hash() -> None:
    runs = [i.exec_form() for i in DOCKERFILE if i.word in {"RUN", "CMD", "ENTRYPOINT", "HEALTHCHECK"}]
    installs = [words for words in runs if "install" in words and "pip" in words]
    assert len(runs) > 8
    assert len(installs) == 3
    assert all({"--require-hashes", "--no-deps"} <= set(words) or "--no-index" in words for words in installs)
    assert not any(i.word == "ADD" for i in DOCKERFILE)


def test_the_image_runs_as_a_number_that_is_not_root_and_listens_where_settings_say() -> None:
    words = {i.word: i.rest for i in IMAGE}
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", words["USER"])
    assert int(words["EXPOSE"]) == DEFAULTS.serving.port
    assert str(DEFAULTS.serving.port) in words["HEALTHCHECK"]
    assert "/health'" in words["HEALTHCHECK"]
    assert words["STOPSIGNAL"] == "SIGTERM"
    assert f'licenses="{PROJECT["license"]}"' in words["LABEL"]


def test_the_image_knows_the_variables_it_sets(tmp_path: Path) -> None:
    environment = environment_of(IMAGE)
    assert settings_of(environment, tmp_path).serving.host == "0.0.0.0"
    folders = [i.exec_form() for i in IMAGE if i.word == "RUN"]
    assert environment["AFTERCAST_WORKSPACE"] in folders[0]
    understand(next(i.exec_form() for i in IMAGE if i.word == "CMD"))
    (script,) = next(i.exec_form() for i in IMAGE if i.word == "ENTRYPOINT")
    assert script in PROJECT["scripts"]


def test_the_base_is_the_python_that_the_locks_are_for() -> None:
    (base,) = {i.rest.split("=", 1)[1] for i in DOCKERFILE if i.rest.startswith("PYTHON_IMAGE=")}
    assert base.startswith("python:3.11-slim-")
    assert {i.rest.split()[0] for i in DOCKERFILE if i.word == "FROM"} == {"${PYTHON_IMAGE}"}
