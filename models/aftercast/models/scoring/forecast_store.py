"""Forecasts in the operational database: stored once for a fleet and a cutoff, read back equal to the last digit."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence

import pandas as pd
from sqlalchemy import Engine

from aftercast.data.workspace import Workspace
from aftercast.models.aliases import Progress
from aftercast.models.forecast import Forecast, stored_content
from aftercast.models.kind import Reading, Scoring
from aftercast.models.kinds import kind_of
from aftercast.models.registry.versions import Loaded
from aftercast.operations.database.forecasts import ForecastSet, newest_set, read_ranks, read_set, write_set
from aftercast.operations.errors import LookAheadError, NotFoundError


def make_forecasts(
    workspace: Workspace, loaded: Loaded, cutoff: pd.Timestamp, *, version: int, progress: Progress | None = None
) -> Scoring:
    """Forecast everything at risk at a cutoff, from what was known then.

    Raises
    ------
    LookAheadError
        If the model knows what came after the cutoff, and its kind must not.
    NotEnoughDataError
        If nothing is at risk at the cutoff.
    """
    kind = kind_of(loaded.kind)
    until = kind.learnt_until(loaded)
    if until is not None and until > cutoff:
        raise LookAheadError(
            f"The champion was trained on facts until {until:%Y-%m-%d %H:%M}, after the cutoff "
            f"{cutoff:%Y-%m-%d %H:%M} UTC.",
            f"Take a later cutoff, or run `aftercast train {kind.name} --until {cutoff:%Y-%m-%dT%H:%M}`.",
        )
    return kind.score(loaded, Reading(workspace.store, workspace.fleet, version, cutoff, progress))


def store_forecasts(
    database: Engine, forecasts: Sequence[Forecast], spec: str | None = None
) -> tuple[ForecastSet, bool]:
    """Store the forecasts of a whole fleet at one cutoff once, at least one; False when they were stored already.

    Parameters
    ----------
    spec
        Hash of the fleet spec they were made under: another spec may make other forecasts of the same data.
    """
    first = forecasts[0]
    kind = kind_of(first.kind)
    horizons, components = kind.spans(first)
    found = ForecastSet(
        kind=first.kind,
        cutoff=first.cutoff,
        model_version=first.model_version,
        data_version=first.data_version,
        horizons=horizons,
        components=components,
        spec=spec,
    )
    rows = [(each.entity_id, each.ranks, stored_content(each)) for each in forecasts]
    return found, write_set(database, found, rows)


def stored_forecasts(
    database: Engine, kind: str, cutoff: pd.Timestamp | None = None
) -> tuple[ForecastSet, list[Forecast]]:
    """Forecasts last stored for a cutoff, None for the latest cutoff; ordered by id.

    Raises
    ------
    NotFoundError
        If nothing was scored at the cutoff.
    """
    found = stored_set(database, kind, cutoff)
    return found, list(_read(database, found, None))


def most_urgent(
    database: Engine, found: ForecastSet, horizon: str | None, *, top: int | None, among: Collection[str] | None
) -> tuple[list[Forecast], int]:
    """Forecasts of a set, the most urgent first, and the number of forecasts to choose from.

    Equally urgent ones stand by id, ascending; those that cannot be judged come last. Only the chosen ones are read
    whole.

    Parameters
    ----------
    horizon
        Within which urgency is meant, where the kind has horizons; None is its usual one.
    top
        How many, None for all.
    among
        Only these ids, None for all.

    Raises
    ------
    ModelMismatchError
        If the horizon is longer than the model's longest.
    """
    urgency = kind_of(found.kind).urgency(found, horizon)
    order = sorted(
        (-urgency(ranks) if ranks else math.inf, each)
        for each, ranks in read_ranks(database, found.set_id)
        if among is None or each in among
    )
    ids = [each for _, each in (order if top is None else order[:top])]
    forecasts = {each.entity_id: each for each in _read(database, found, ids)}
    return [forecasts[each] for each in ids], len(order)


def forecasts_of(database: Engine, kind: str, ids: Sequence[str]) -> tuple[ForecastSet, list[Forecast]]:
    """Forecasts last stored of some ids; raises NotFoundError where nothing was scored."""
    found = stored_set(database, kind)
    return found, list(_read(database, found, list(dict.fromkeys(ids))))


def stored_set(database: Engine, kind: str, cutoff: pd.Timestamp | None = None) -> ForecastSet:
    """Set last stored for a cutoff, None for the latest; raises NotFoundError where nothing was scored then."""
    found = newest_set(database, kind, cutoff)
    if found is None:
        at = "" if cutoff is None else f" at {cutoff:%Y-%m-%dT%H:%M} UTC"
        raise NotFoundError(
            f"There are no {kind} forecasts{at}.", "Run `aftercast score`, with --cutoff for that instant."
        )
    return found


def forecast_of(
    workspace: Workspace, loaded: Loaded, entity_id: str, cutoff: pd.Timestamp | None, progress: Progress | None = None
) -> Forecast:
    """Forecast of one device or customer: the one last stored, or made anew for a cutoff.

    Raises
    ------
    NotFoundError
        If there is none of it; LookAheadError and NotEnoughDataError as :func:`make_forecasts` raises them.
    """
    if cutoff is None:
        forecasts = list(_read(workspace.database, stored_set(workspace.database, loaded.kind), [entity_id]))
    else:
        version = workspace.store.version()
        forecasts = list(make_forecasts(workspace, loaded, cutoff, version=version, progress=progress).forecasts)
    found = next((each for each in forecasts if each.entity_id == entity_id), None)
    if found is None:
        noun = kind_of(loaded.kind).entity.noun
        raise NotFoundError(
            f"There is no {loaded.kind} forecast of {noun} {entity_id}.", "Check the id, or choose a --cutoff."
        )
    return found


def _read(database: Engine, found: ForecastSet, ids: Sequence[str] | None) -> Iterator[Forecast]:
    kind = kind_of(found.kind)
    for entity_id, content in read_set(database, found.set_id, ids):
        yield kind.restored(found, entity_id, content)
