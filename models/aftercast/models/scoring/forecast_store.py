"""Forecasts in the operational database: stored once for a fleet and a cutoff, read back equal to the last digit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd
from sqlalchemy import Engine

from aftercast.data.workspace import Workspace
from aftercast.models.forecast import Forecast
from aftercast.models.kind import Progress
from aftercast.models.kinds import kind_of
from aftercast.models.registry.versions import Loaded
from aftercast.operations.database.forecasts import ScoreSet, newest_scores, read_scores, write_scores
from aftercast.operations.errors import NotFoundError


def store_forecasts(database: Engine, forecasts: Sequence[Forecast]) -> tuple[ScoreSet, bool]:
    """Store the forecasts of a whole fleet at one cutoff once, at least one; False when they were stored already."""
    first = forecasts[0]
    kind = kind_of(first.kind)
    horizons, components = kind.spans(first)
    found = ScoreSet(
        kind=first.kind,
        cutoff=first.cutoff,
        model_version=first.model_version,
        data_version=first.data_version,
        horizons=horizons,
        components=components,
    )
    rows = [(each.entity_id, each.rank, kind.stored(each)) for each in forecasts]
    return found, write_scores(database, found, rows)


def stored_forecasts(
    database: Engine, kind: str, cutoff: pd.Timestamp | None = None
) -> tuple[ScoreSet, list[Forecast]]:
    """Forecasts last stored for a cutoff, None for the latest cutoff; ordered by id.

    Raises
    ------
    NotFoundError
        If nothing was scored at the cutoff.
    """
    found = newest_scores(database, kind, cutoff)
    if found is None:
        at = "" if cutoff is None else f" at {cutoff:%Y-%m-%dT%H:%M} UTC"
        raise NotFoundError(
            f"There are no {kind} forecasts{at}.", "Run `aftercast score`, with --cutoff for that instant."
        )
    return found, list(_read(database, found))


def forecast_of(
    workspace: Workspace, loaded: Loaded, entity_id: str, cutoff: pd.Timestamp | None, progress: Progress | None = None
) -> Forecast:
    """Forecast of one device or customer: the one last stored, or made anew for a cutoff.

    Raises
    ------
    NotFoundError
        If there is none of it; LookAheadError, NotEnoughDataError as the kind's scoring raises them.
    """
    if cutoff is None:
        _, forecasts = stored_forecasts(workspace.database, loaded.kind)
    else:
        version = workspace.store.version()
        scoring = kind_of(loaded.kind).score(
            loaded, workspace.store, workspace.fleet, cutoff, version=version, progress=progress
        )
        forecasts = list(scoring.forecasts)
    found = next((each for each in forecasts if each.entity_id == entity_id), None)
    if found is None:
        noun = kind_of(loaded.kind).entity.noun
        raise NotFoundError(
            f"There is no {loaded.kind} forecast of {noun} {entity_id}.", "Check the id, or choose a --cutoff."
        )
    return found


def _read(database: Engine, found: ScoreSet) -> Iterator[Forecast]:
    kind = kind_of(found.kind)
    for entity_id, content in read_scores(database, found.set_id):
        yield kind.restored(found, entity_id, content)
