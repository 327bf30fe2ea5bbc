"""Questions as of an instant take their turns: however many there are, the others are answered meanwhile."""

from __future__ import annotations

import asyncio

import httpx

from aftercast.data.workspace import Workspace
from aftercast.models.scoring.snapshot import snapshot_path
from aftercast.models.scoring.snapshot_file import load_snapshot
from aftercast.operations.database.keys import create_key
from aftercast.serving.app import create_app
from aftercast.serving.deps import PAST_THREADS
from aftercast.serving.responses import MOST_WAITING


def test_questions_of_the_past_wait_in_a_short_line_and_hold_up_no_others(fleet_workspace: Workspace) -> None:
    app = create_app(fleet_workspace)
    places = app.state.service.for_the_past
    _, key = create_key(fleet_workspace.database, "many", ["predict"])
    fleet = load_snapshot(snapshot_path(fleet_workspace.folder, "failure"))
    plain = {"devices": [{"device_id": str(fleet.ids[0])}], "horizon": "3d"}
    past = {**plain, "as_of": fleet.cutoff.isoformat()}

    async def run() -> tuple[httpx.Response, httpx.Response, list[httpx.Response]]:
        transport = httpx.ASGITransport(app)
        headers = {"X-API-Key": key}
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://service", headers=headers, timeout=60.0) as client,
        ):
            for taken in range(PAST_THREADS):
                places.acquire_on_behalf_of_nowait(taken)
            line = [asyncio.create_task(client.post("/v1/failure-risk", json=past)) for _ in range(MOST_WAITING)]
            while places.statistics().tasks_waiting < MOST_WAITING:
                await asyncio.sleep(0.01)
            refused = await client.post("/v1/failure-risk", json=past)
            meanwhile = await client.post("/v1/failure-risk", json=plain)
            for taken in range(PAST_THREADS):
                places.release_on_behalf_of(taken)
            return refused, meanwhile, await asyncio.gather(*line)

    refused, meanwhile, line = asyncio.run(run())
    assert (refused.status_code, refused.json()["type"]) == (503, "urn:aftercast:problem:busy")
    assert refused.headers["Retry-After"] == "1"
    assert meanwhile.status_code == 200
    assert {each.status_code for each in line} == {200}
    assert {each.content for each in line} == {line[0].content}
