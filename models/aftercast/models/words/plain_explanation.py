"""Explanation of a forecast that is no probability by horizon: the sentence, the reasons, and the values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aftercast.models.forecast import Statement
from aftercast.models.text_table import text_table

if TYPE_CHECKING:
    from rich.console import RenderableType


@dataclass(frozen=True)
class PlainExplanation:
    """What is said of one device or customer."""

    said: Statement

    def to_dict(self) -> dict[str, Any]:
        """Values for JSON; instants are UTC."""
        said = self.said
        return {
            "kind": said.kind,
            "id": said.entity_id,
            "cutoff": said.cutoff.isoformat(),
            "sentence": said.sentence,
            "reason": said.reason,
            "reasons": list(said.reasons),
            "data_as_of": None if said.data_as_of is None else said.data_as_of.isoformat(),
            "device_model": said.device_model,
            "customer_id": said.customer_id,
            "model_version": said.model_version,
            **said.values,
        }

    def shown(self) -> list[RenderableType]:
        """Texts and tables for a terminal."""
        said = self.said
        model = f" ({said.device_model})" if said.device_model else ""
        as_of = "no data" if said.data_as_of is None else f"data as of {said.data_as_of:%Y-%m-%d %H:%M} UTC"
        rows = [[name.replace("_", " "), _text(value)] for name, value in said.values.items() if value is not None]
        return [
            f"{said.entity_id}{model} at {said.cutoff:%Y-%m-%d %H:%M} UTC: {said.sentence}.",
            f"{as_of}, model version {said.model_version}.".capitalize(),
            *(f"  {text}" for text in said.reasons),
            text_table("", ["", ""], rows),
        ]


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
