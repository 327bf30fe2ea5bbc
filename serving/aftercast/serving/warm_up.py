"""What answers with records are computed with is compiled at the start, not while the first of them waits.

The compiled kernels are kept in a folder (see ADR 4), but a container begins with an empty one each time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pandas as pd

from aftercast.data.workspace import Workspace
from aftercast.models.scoring.snapshot import Snapshot
from aftercast.models.scoring.what_if import rows_of_devices
from aftercast.operations.clocks import TIME_DTYPE
from aftercast.serving.errors import LOG
from aftercast.serving.model_holder import Champions

LOOK_EVERY_S: Final = 1.0


@contextmanager
def warming_up(workspace: Workspace, champions: Champions) -> Iterator[None]:
    """Compile in a thread of its own as soon as there are rows; the end of the block waits for a compilation."""
    stop = threading.Event()

    def warm() -> None:
        while (rows := champions.held("failure").rows) is None:
            if stop.wait(LOOK_EVERY_S):
                return
        began = time.monotonic()
        try:
            warm_up(workspace, rows.snapshot)
        except Exception as error:  # noqa: BLE001  # edge of a thread; questions with records tell what is wrong
            LOG.warning("answers with records could not be prepared: %s", type(error).__name__)
        else:
            LOG.info("answers with records are prepared, after %.1f s", time.monotonic() - began)

    thread = threading.Thread(target=warm, name="aftercast warm-up", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def warm_up(workspace: Workspace, fleet: Snapshot) -> None:
    """Make the row of one device with one record of telemetry, as for an answer, and forget it."""
    device_id, moment = str(fleet.ids[0]), pd.Series([fleet.cutoff]).astype(TIME_DTYPE)
    telemetry = pd.DataFrame(
        {"device_id": pd.Series([device_id], dtype="str"), "event_time": moment, "available_at": moment}
    )
    sent = {"telemetry": telemetry.assign(**dict.fromkeys(workspace.fleet.sensor_names, 0.0))}
    rows_of_devices(workspace.store, workspace.fleet, fleet, [device_id], fleet.cutoff, sent=sent)
