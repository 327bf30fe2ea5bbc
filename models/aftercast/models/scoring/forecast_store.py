"""Scores in the operational records: stored once for a fleet and a cutoff, read back equal to the last digit."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import pandas as pd
from sqlalchemy import Engine

from aftercast.models.words.answers import Score, check_horizon, risk_within, score_from_dict, score_to_dict
from aftercast.operations.clocks import format_duration, parse_duration_us
from aftercast.operations.database.forecasts import (
    Kind,
    ScoreSet,
    newest_scores,
    read_risks,
    read_scores,
    write_scores,
)
from aftercast.operations.errors import NotFoundError


def store_scores(database: Engine, scores: list[Score]) -> tuple[ScoreSet, bool]:
    """Store the scores of a whole fleet at one cutoff once, at least one; False when they were stored already."""
    first = scores[0]
    found = ScoreSet(
        kind=first.kind,
        cutoff=first.cutoff,
        model_version=first.model_version,
        data_version=first.data_version,
        horizons=tuple(format_duration(end) for end in first.horizons_us),
        components=tuple(first.risks),
    )
    rows = [(score.entity_id, score.any_risk, score_to_dict(score)) for score in scores]
    return found, write_scores(database, found, rows)


def stored_scores(database: Engine, kind: Kind, cutoff: pd.Timestamp | None = None) -> tuple[ScoreSet, list[Score]]:
    """Scores last stored for a cutoff, None for the latest cutoff; ordered by id.

    Raises
    ------
    NotFoundError
        If nothing was scored at the cutoff.
    """
    found = stored_set(database, kind, cutoff)
    return found, list(_read(database, found, None))


def riskiest_scores(
    database: Engine, found: ScoreSet, horizon: str, *, top: int | None, among: Collection[str] | None
) -> tuple[list[Score], int]:
    """Scores with the highest risk within a horizon, highest first, and the number of scores to choose from.

    Equal risks stand by id, ascending. Only the chosen scores are read whole.

    Parameters
    ----------
    top
        How many, None for all.
    among
        Only these ids, None for all.

    Raises
    ------
    ModelMismatchError
        If the horizon is longer than the model's longest.
    """
    within, ends = parse_duration_us(horizon), [parse_duration_us(each) for each in found.horizons]
    check_horizon(within, ends)
    risks = read_risks(database, found.set_id)
    order = sorted((-risk_within(ends, risk, within), each) for each, risk in risks if among is None or each in among)
    ids = [each for _, each in (order if top is None else order[:top])]
    scores = {score.entity_id: score for score in _read(database, found, ids)}
    return [scores[each] for each in ids], len(order)


def stored_set(database: Engine, kind: Kind, cutoff: pd.Timestamp | None = None) -> ScoreSet:
    """Set last stored for a cutoff, None for the latest; raises NotFoundError where nothing was scored then."""
    found = newest_scores(database, kind, cutoff)
    if found is None:
        at = "" if cutoff is None else f" at {cutoff:%Y-%m-%dT%H:%M} UTC"
        raise NotFoundError(
            f"There are no {kind} scores{at}.", "Run `aftercast score`, with --cutoff for that instant."
        )
    return found


def _read(database: Engine, found: ScoreSet, ids: Sequence[str] | None) -> Iterator[Score]:
    for entity_id, content in read_scores(database, found.set_id, ids):
        yield score_from_dict(
            content,
            kind=found.kind,
            entity_id=entity_id,
            cutoff=found.cutoff,
            model_version=found.model_version,
            data_version=found.data_version,
            horizons=found.horizons,
        )
