"""The models that answer."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter

from aftercast.models.registry.versions import Loaded
from aftercast.operations.clocks import parse_time
from aftercast.serving.deps import MAY_PREDICT, ServiceDep
from aftercast.serving.held import Held
from aftercast.serving.kinds import served_kinds
from aftercast.serving.refusals import refusals
from aftercast.serving.serialization import model_ref
from aftercast.serving.wire.common import finite
from aftercast.serving.wire.model import ChampionModel, ModelAnswer

router = APIRouter(tags=["models"], dependencies=[MAY_PREDICT])


@router.get("/v1/model", summary="Which models answer, and how good are they?", responses=refusals())
def model(service: ServiceDep) -> ModelAnswer:
    """Describe the champion of each kind."""
    held = {kind: service.champions.held(kind) for kind in served_kinds()}
    return ModelAnswer(
        models=[_champion(each, each.loaded) for each in held.values() if each.loaded is not None],
        missing={kind: f"{each.reason} {each.hint}" for kind, each in held.items() if each.loaded is None},
    )


def _champion(held: Held, loaded: Loaded) -> ChampionModel:
    metadata = loaded.metadata
    return ChampionModel(
        model=model_ref(loaded),
        decision=held.decision,
        horizons=list(metadata.horizons),
        components=list(metadata.components),
        trained_until=parse_time(metadata.until),
        data_version=metadata.data_version,
        feature_dictionary=metadata.dictionary_hash,
        fleet_spec=metadata.spec_hash,
        scored_at=None if held.rows is None else held.rows.snapshot.cutoff,
        metrics=_by_model(held.metrics),
    )


def _by_model(logged: Mapping[str, float]) -> dict[str, dict[str, float | None]]:
    """Metrics of each model from names such as ``base_rate.pr_auc_7d``."""
    found: dict[str, dict[str, float | None]] = {}
    for name, value in sorted(logged.items()):
        who, _, metric = name.partition(".")
        found.setdefault(who, {})[metric] = finite(value)
    return found
