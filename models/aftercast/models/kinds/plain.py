"""Kinds whose forecasts are no probabilities by horizon: how their options are read and their forecasts explained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pandas as pd

from aftercast.data.fleet import FleetSpec
from aftercast.data.workspace import Workspace
from aftercast.models.aliases import Progress
from aftercast.models.forecast import PlainForecast, PlainStatement
from aftercast.models.kind import Kind
from aftercast.models.registry.versions import load_champion
from aftercast.models.scoring.forecast_store import forecast_of
from aftercast.models.words.plain_explanation import PlainExplanation
from aftercast.operations.configuration import StrictModel, validate


class PlainKind(Kind):
    """A kind that learns from telemetry and forecasts no events.

    Attributes
    ----------
    options
        What may be set for a training.
    """

    grain = "device_id"
    options: ClassVar[type[StrictModel]]

    def settings(self, values: Mapping[str, Any], spec: FleetSpec) -> Any:
        """Options of these names and values."""
        del spec
        return validate(self.options, values, "--set")

    def described_settings(self, settings: StrictModel) -> Mapping[str, Any]:
        """Names and values of the options."""
        return settings.model_dump()

    def explain(
        self,
        workspace: Workspace,
        entity_id: str,
        *,
        cutoff: pd.Timestamp | None,
        horizon: str | None,
        progress: Progress | None,
    ) -> PlainExplanation:
        """What is said of a device, and what is known of it."""
        del horizon
        loaded = load_champion(workspace, self.name)
        return PlainExplanation(self.answer(forecast_of(workspace, loaded, entity_id, cutoff, progress)))


def statement_of(
    forecast: PlainForecast, sentence: str, reason: str | None, said: tuple[str, ...], facts: Mapping[str, Any]
) -> PlainStatement:
    """Statement about a forecast; the reason is None where it could be judged."""
    return PlainStatement(
        kind=forecast.kind,
        entity_id=forecast.entity_id,
        cutoff=forecast.cutoff,
        sentence=sentence,
        reason=reason,
        evidence="telemetry",
        data_as_of=forecast.data_as_of,
        device_model=forecast.device_model,
        customer_id=forecast.customer_id,
        model_version=forecast.model_version,
        said=said,
        facts=facts,
    )
