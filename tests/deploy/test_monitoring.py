"""Prometheus asks for metrics that the service has, with the key it is given, and the guide knows each alert."""

from __future__ import annotations

import re

import yaml
from tests.deploy.container import ROOT
from tests.deploy.named import DEFAULTS, SERVICES

from aftercast.serving.metrics import catalogue

FOLDER = ROOT / "deploy" / "prometheus"


def metric_names() -> set[str]:
    families = [found for found in vars(catalogue).values() if isinstance(found, catalogue.Family)]
    assert len(families) > 10
    plain = {family.name for family in families if family.kind != "histogram"}
    parts = {f"{f.name}_{part}" for f in families if f.kind == "histogram" for part in ("bucket", "count", "sum")}
    return plain | parts


def test_every_alert_asks_for_figures_that_the_service_has_and_says_what_to_do() -> None:
    rules = yaml.safe_load((FOLDER / "rules.yml").read_text())
    alerts = [rule for group in rules["groups"] for rule in group["rules"]]
    asked = {name for rule in alerts for name in re.findall(r"\b(?:aftercast|process)_\w+", rule["expr"])}
    assert len(alerts) >= 10
    assert asked - metric_names() == set()
    assert all(rule["annotations"].keys() == {"summary", "hint"} for rule in alerts)
    assert all(rule["labels"]["severity"] in {"page", "ticket"} for rule in alerts)


def test_the_alerts_are_those_of_the_guide() -> None:
    guide = (ROOT / "docs" / "monitoring.md").read_text().split("## What to be woken for")[1].split("\n## ")[0]
    rules = (FOLDER / "rules.yml").read_text()
    named = set(re.findall(r"\baftercast_\w+", guide))
    assert named
    assert named - set(re.findall(r"\baftercast_\w+", rules)) == set()


def test_prometheus_scrapes_the_service_with_the_key_it_is_given() -> None:
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    (job,) = config["scrape_configs"]
    (target,) = job["static_configs"][0]["targets"]
    host, port = target.split(":")
    assert host in SERVICES
    assert int(port) == DEFAULTS.serving.port
    assert job["authorization"]["credentials_file"] == f"/run/secrets/{SERVICES['prometheus']['secrets'][0]}"
    assert all((FOLDER / name).exists() for name in config["rule_files"])
    labels = re.findall(r'job="(\w+)"', (FOLDER / "rules.yml").read_text())
    assert set(labels) == {job["job_name"]}
