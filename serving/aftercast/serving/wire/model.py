"""The models that answer, on the wire."""

from __future__ import annotations

from typing import Any, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from aftercast.serving.wire.common import ModelRef

_EXAMPLE: Final[dict[str, Any]] = {
    "models": [
        {
            "model": {"name": "failure", "version": "3", "run_id": "8c0e3f2a9b7d4c61a5e0f1d2c3b4a596"},
            "decision": "Champion: better than the base rate on the validation period.",
            "horizons": ["24h", "72h", "7d", "14d", "30d"],
            "components": ["compressor", "pump"],
            "trained_until": "2025-08-01T00:00:00Z",
            "data_version": 1,
            "feature_dictionary": "9b1c7f3e5a2d4c60",
            "fleet_spec": "0a4d8e12b6f95c73",
            "scored_at": "2025-08-15T00:00:00Z",
            "metrics": {"model": {"pr_auc_7d": 0.53}, "base_rate": {"pr_auc_7d": 0.02}},
        }
    ],
    "missing": {"churn": "No churn model has been promoted to champion. Run `aftercast train churn`."},
}


class ChampionModel(BaseModel):
    """The champion of one kind: the model that answers now."""

    model: ModelRef
    decision: str = Field(description="Why the model is champion.")
    horizons: list[str] = Field(description="Horizons of the training, ascending. Any shorter one is answered.")
    components: list[str]
    trained_until: AwareDatetime = Field(description="Training used no fact after this instant (UTC).")
    data_version: int = Field(description="Version of the history that the model was trained on.")
    feature_dictionary: str = Field(description="Hash of the features that the model reads.")
    fleet_spec: str = Field(description="Hash of the fleet.toml that the model was trained with.")
    scored_at: AwareDatetime | None = Field(description="Cutoff of the last scoring; null if nothing is scored.")
    metrics: dict[str, dict[str, float | None]] = Field(
        description="Metrics of the model and of each baseline on the validation period."
    )


class ModelAnswer(BaseModel):
    """The champions, and the kinds without one."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    models: list[ChampionModel]
    missing: dict[str, str] = Field(description="Kinds without a champion, with the reason and what to do.")
