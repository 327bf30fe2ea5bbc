"""``aftercast serve``: answer over HTTP."""

from __future__ import annotations

from typing import Annotated

import typer

from aftercast.cli.common import WorkspaceOption, note, opened

FACTORY = "aftercast.serving.app:from_environment"
PROTOCOL = "aftercast.serving.http_protocol:WithoutTrailers"

PANEL = "Serve and operate"


def serve(
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port. [default: settings]")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on. [default: settings]")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that share the port.")] = 1,
    workspace: WorkspaceOption = None,
) -> None:
    """Answer over HTTP until stopped. Every request needs an API key.

    On SIGTERM it takes no new requests and answers those it has. If it cannot start, all its processes end. The exit
    code is 2 for unusable settings or an unusable workspace, 1 for a defect, and 3 for anything else, such as a port in
    use.

    Example: aftercast keys create --name me -w fleet && aftercast serve --port 8080 -w fleet
    """
    import math
    import sys

    import uvicorn

    from aftercast.operations.environment import name_workspace
    from aftercast.operations.log_format import log_to_stderr
    from aftercast.serving.supervisor import run_service

    place = opened(workspace)
    name_workspace(place.folder)
    where, number = host or place.settings.serving.host, place.settings.serving.port if port is None else port
    if sys.stderr.isatty():
        note(f"Listening on http://{where}:{number}; open /docs in a browser, with any name and the key as password.")
    log_to_stderr()
    config = uvicorn.Config(
        FACTORY,
        factory=True,
        host=where,
        port=number,
        workers=workers,
        loop="auto",  # uvloop where it is installed
        http=PROTOCOL,
        ws="none",
        log_config=None,  # its lines take our way, see log_to_stderr
        log_level="info",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # the service reads nothing of them; a proxy that is not there cannot be imitated
        timeout_worker_healthcheck=30,  # a worker answers only once its imports are done; on a busy machine 5 s are few
        timeout_graceful_shutdown=math.ceil(place.settings.serving.stop_timeout_s),
    )
    raise typer.Exit(run_service(config))
