"""A fleet spec with which a model is trained in a second."""

from __future__ import annotations

from aftercast.data.fleet import FeatureSettings, FleetSpec


def lean(spec: FleetSpec) -> FleetSpec:
    """One component, two sensors, one horizon, few features and cutoffs."""
    return spec.model_copy(
        update={
            "components": spec.components[:1],
            "sensors": spec.sensors[:2],
            "rules": (),
            "horizons": ("7d",),
            "features": FeatureSettings(windows=("24h",), trend_window="24h", event_windows=("168h",)),
            "training": spec.training.model_copy(update={"minimum_failures": 3, "cutoff_every": "96h"}),
        }
    )
