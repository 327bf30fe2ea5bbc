"""Examples of questions and answers in the OpenAPI document."""

from __future__ import annotations

from typing import Any, Final

MODEL: Final[dict[str, Any]] = {"name": "failure", "version": "3", "run_id": "8c0e3f2a9b7d4c61a5e0f1d2c3b4a596"}
CUTOFF: Final = "2025-08-15T00:00:00Z"
FAILURE: Final[dict[str, Any]] = {
    "status": "answered",
    "device_id": "D0017",
    "sentence": "13.1 % likelihood of a failure within 7 days, most likely of the compressor (12.4 %)",
    "probability": 0.131,
    "interval": {"lower": 0.094, "upper": 0.176},
    "remaining_life": {"lower_days": 5.1, "median_days": None, "upper_days": None, "beyond_days": 30.0},
    "reason": None,
    "horizon": "7d",
    "until": "2025-08-22T00:00:00Z",
    "next_step": {
        "code": "visit",
        "text": "Visit before 2025-08-22 00:00 UTC and check the compressor; bring CMP-7 (used in 14 of 16 repairs).",
    },
    "component": "compressor",
    "components": {"compressor": 0.124, "pump": 0.008},
    "parts": [{"sku": "CMP-7", "repairs": 14, "of": 16, "quantity": 1.0}],
    "refused_records": [],
    "drivers": [
        {
            "feature": "vibration_mean_24h",
            "value": 52.1,
            "unit": "mm/s",
            "about": "mean vibration over the last 24 h",
            "contribution": 0.84,
            "text": "mean vibration 24 h 52.1 mm/s (usual for this model 40.3)",
        }
    ],
    "evidence": "telemetry",
    "missing_inputs": [],
    "out_of_range_inputs": [],
    "data_as_of": "2025-08-14T23:00:00Z",
    "cutoff": CUTOFF,
    "model": MODEL,
}
_OF_DEVICES: Final = {"device_id", "component", "components", "parts", "refused_records"}
_CHURN: Final[dict[str, Any]] = {
    **{key: value for key, value in FAILURE.items() if key not in _OF_DEVICES},
    "customer_id": "C0042",
    "sentence": "4.2 % likelihood that the customer leaves within 30 days",
    "probability": 0.042,
    "interval": {"lower": 0.031, "upper": 0.058},
    "remaining_life": {"lower_days": 64.0, "median_days": None, "upper_days": None, "beyond_days": 90.0},
    "horizon": "30d",
    "until": "2025-09-14T00:00:00Z",
    "next_step": {"code": "wait", "text": "No call is due by 2025-09-14 00:00 UTC; ask again after the next scoring."},
    "drivers": [],
    "evidence": "history",
    "model": {**MODEL, "name": "churn"},
}


_UNKNOWN: Final = {
    "status": "error",
    "device_id": "D0404",
    "error": {
        "code": "unknown_device",
        "message": "The device is not known.",
        "hint": "Import it, or correct the id.",
    },
}


def _whole(results: list[dict[str, Any]], failed: int) -> dict[str, Any]:
    common = {name: results[0][name] for name in ("horizon", "cutoff", "model")}
    return {**common, "answered": len(results) - failed, "failed": failed, "results": results}


FAILURE_ANSWER: Final = _whole([FAILURE, _UNKNOWN], failed=1)
CHURN_ANSWER: Final = _whole([_CHURN], failed=0)
