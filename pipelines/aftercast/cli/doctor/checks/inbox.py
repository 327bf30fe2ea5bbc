"""The inbox: somebody drains it, and what came could be read."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from aftercast.cli.doctor.deployment import Deployment
from aftercast.cli.doctor.findings import Finding
from aftercast.operations.database.inbox import count_waiting, refused_batches

MOST_NAMED = 3
LONG = pd.Timedelta(hours=1)


def check(deployment: Deployment) -> Iterator[Finding]:
    """Say how long records wait, and how many batches were refused."""
    waiting = count_waiting(deployment.database)
    if waiting.since is not None and deployment.now - waiting.since > LONG:
        hours = (deployment.now - waiting.since) / pd.Timedelta(hours=1)
        said = f"{waiting.rows:,} records wait to be stored, the first since {hours:,.0f} hours."
        yield Finding("problem", said, "Run `aftercast drain`, or keep `aftercast drain --follow` running.")
    else:
        yield Finding("ok", f"{waiting.rows:,} records wait to be stored.")
    refused = refused_batches(deployment.database)
    if refused:
        named = ", ".join(f"{batch_id} ({table})" for batch_id, table in refused[:MOST_NAMED])
        counted = "1 batch" if len(refused) == 1 else f"{len(refused):,} batches"
        yield Finding(
            "warning",
            f"{counted} of records could not be read and stored: {named}{' ...' if len(refused) > MOST_NAMED else ''}.",
            "The drain printed the reason under the id. Mend what sends such records, and send them anew.",
        )
