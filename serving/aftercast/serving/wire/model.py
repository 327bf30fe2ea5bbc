"""What is known of the models that answer, on the wire."""

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
    """The champion of one kind: what answers now."""

    model: ModelRef
    decision: str = Field(description="Why it is champion.")
    horizons: list[str] = Field(description="Its own, ascending; any length up to the last is answered.")
    components: list[str]
    trained_until: AwareDatetime = Field(description="No fact after this instant (UTC) was read in training.")
    data_version: int = Field(description="Version of the history it was trained on.")
    feature_dictionary: str = Field(description="Hash of the features it reads.")
    fleet_spec: str = Field(description="Hash of the fleet spec it was trained with.")
    scored_at: AwareDatetime | None = Field(description="Cutoff of the rows it answers from; null without any.")
    metrics: dict[str, dict[str, float | None]] = Field(
        description="Model and each baseline, as logged when it was trained, on its later validation period."
    )


class ModelAnswer(BaseModel):
    """The champions, and why a kind has none."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    models: list[ChampionModel]
    missing: dict[str, str] = Field(description="Kind to the reason why it has no champion, and what to do.")
