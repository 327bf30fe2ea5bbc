"""The compose file: every part without rights, no secret, and nothing named that is not there."""

from __future__ import annotations

import re
from pathlib import Path

import mlflow.cli
import pytest
from tests.deploy.commands import understand
from tests.deploy.container import ROOT
from tests.deploy.named import COMPOSE, DEFAULTS, PROJECT, SERVICES, settings_of

OURS = f"aftercast:{PROJECT['version']}"
COMMANDS = [name for name, service in SERVICES.items() if service["image"] == OURS and "entrypoint" not in service]


def seconds(text: str) -> int:
    found = re.fullmatch(r"(\d+)s", text)
    assert found is not None
    return int(found[1])


@pytest.mark.parametrize("name", SERVICES)
def test_every_part_runs_without_rights_on_a_read_only_root(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["init"] is True
    assert service["pids_limit"] > 0
    assert not {"privileged", "network_mode", "pid", "userns_mode", "devices"} & service.keys()
    assert set(service.get("cap_add", [])) <= ({"NET_BIND_SERVICE"} if name == "proxy" else set())


@pytest.mark.parametrize("name", SERVICES)
def test_every_image_is_named_by_its_version(name: str) -> None:
    image = SERVICES[name]["image"]
    tag = image.rpartition(":")[2]
    assert re.match(r"v?\d+\.\d+(\.\d+)?", tag), image
    assert image == OURS or not image.startswith("aftercast")


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_part_uses_is_declared_or_lies_in_the_repository(name: str) -> None:
    service = SERVICES[name]
    assert set(service.get("secrets", [])) <= COMPOSE["secrets"].keys()
    assert set(service.get("networks", [])) <= COMPOSE["networks"].keys()
    assert service.get("networks"), "would join a network of its own"
    for volume in service.get("volumes", []):
        source = volume.split(":")[0]
        if source.startswith("."):
            assert (ROOT / source).exists(), source
            assert volume.endswith(":ro"), volume
        else:
            assert source in COMPOSE["volumes"], source


@pytest.mark.parametrize("name", SERVICES)
def test_a_part_waits_for_what_can_come_true(name: str) -> None:
    for other, wait in SERVICES[name].get("depends_on", {}).items():
        healthy = "healthcheck" in SERVICES[other] or (SERVICES[other]["image"] == OURS and other == "serve")
        ends = SERVICES[other]["restart"] == "no"
        assert wait["condition"] == ("service_completed_successfully" if ends else "service_healthy")
        assert ends or healthy, other
        assert not SERVICES[other].get("profiles"), f"{other} is not always started"


def test_nothing_is_left_declared_and_unused() -> None:
    for kind in ("secrets", "networks"):
        used = {each for service in SERVICES.values() for each in service.get(kind, [])}
        assert used == COMPOSE[kind].keys()
    mounted = {volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}
    assert {place for place in mounted if not place.startswith(".")} == COMPOSE["volumes"].keys()


def test_no_secret_stands_in_the_file() -> None:
    names = {name: value for service in SERVICES.values() for name, value in service.get("environment", {}).items()}
    telling = {name: value for name, value in names.items() if re.search("PASSWORD|SECRET|TOKEN|KEY", name)}
    assert telling
    assert all(name.endswith("_FILE") and value.startswith("/run/secrets/") for name, value in telling.items())
    assert not re.search(r"://[^/@\s]*:[^/@\s]*@", (ROOT / "compose.yaml").read_text())
    assert all(secret["file"].startswith("./deploy/secrets/") for secret in COMPOSE["secrets"].values())
    assert "/deploy/secrets/" in (ROOT / ".gitignore").read_text().splitlines()


def test_only_the_proxy_is_reached_from_elsewhere_and_postgres_and_mlflow_by_nobody() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    open_to_all = {name for name, ports in published.items() if any(p.count(":") < 2 for p in ports)}
    assert open_to_all == {"proxy"}
    assert all(p.startswith("127.0.0.1:") for name in published.keys() - {"proxy"} for p in published[name])
    assert COMPOSE["networks"]["inside"]["internal"] is True
    assert {name for name, service in SERVICES.items() if "front" not in service["networks"]} >= {"postgres", "mlflow"}


@pytest.mark.parametrize("name", COMMANDS)
def test_our_commands_and_their_settings_are_understood(name: str, tmp_path: Path) -> None:
    understand([str(word) for word in SERVICES[name]["command"]])
    given = {key: re.sub(r"\$\{\w+:-(.*?)\}", r"\1", value) for key, value in SERVICES[name]["environment"].items()}
    found = settings_of(given, tmp_path)
    assert found.database.upgrade == "manual"
    assert found.mlflow.address == "http://mlflow:5000"
    assert "mlflow:5000" in next(word for word in SERVICES["mlflow"]["command"] if "--allowed-hosts" in word)


def test_ours_have_one_host_name_that_stays_and_can_be_chosen() -> None:
    """The place of an audit log is known by it; a container's own name is another one each time."""
    assert {SERVICES[name]["hostname"] for name in COMMANDS} == {"${AUDIT_HOST:-aftercast}"}


def test_the_command_of_mlflow_is_understood() -> None:
    service = SERVICES["mlflow"]
    words = [str(word) for word in service["entrypoint"] + service["command"]]
    assert words[0] == "mlflow"
    understand(words[1:], mlflow.cli.cli)


def test_the_service_is_given_longer_to_stop_than_its_requests() -> None:
    assert seconds(SERVICES["serve"]["stop_grace_period"]) > DEFAULTS.serving.stop_timeout_s
    assert any(volume.startswith("workspace:") for volume in SERVICES["serve"]["volumes"])
