"""The service: where one listens, it is ready."""

from __future__ import annotations

from collections.abc import Iterator

from aftercast.cli.doctor.deployment import Deployment
from aftercast.cli.doctor.findings import Finding
from aftercast.cli.doctor.reach import NobodyThereError, OverdueError, get
from aftercast.operations.errors import WorkspaceError

RESTART = "End that process, and run `aftercast serve` again; its log says what it waits for."


def check(deployment: Deployment) -> Iterator[Finding]:
    """Ask it whether it is ready."""
    serving = deployment.settings.serving
    host = "127.0.0.1" if serving.host in {"0.0.0.0", "::"} else serving.host  # noqa: S104  # asks, does not listen
    try:
        answered = get(f"http://{host}:{serving.port}/ready")
        told = answered.json()
    except NobodyThereError:
        yield Finding("ok", f"Nothing listens on {host}:{serving.port}.")
        return
    except (WorkspaceError, OverdueError):
        yield Finding("problem", f"What listens on {host}:{serving.port} does not answer.", RESTART)
        return
    except ValueError:
        told = {}
    if not (isinstance(told, dict) and {"status", "models"} <= set(told)):
        yield Finding("problem", f"Something else listens on {host}:{serving.port}.", "Choose another serving.port.")
        return
    if told["status"] != "ready":
        reason = told["models"].get("failure", {}).get("reason") or "It does not say why."
        yield Finding("problem", f"The service is not ready. {reason}", "Do what it says; it looks again by itself.")
    for kind, model in told["models"].items():
        if model.get("notice"):
            yield Finding("warning", f"{kind}: {model['notice']}", "See its log, and the checks above.")
    if told.get("database") == "away":
        yield Finding("problem", "The service cannot reach its database.", "See the check 'database'.")
    if told["status"] == "ready":
        yield Finding("ok", f"The service on {host}:{serving.port} is ready.")
