"""Metrics of rows, one row per (id, cutoff); each knows its direction and when it is undefined."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
ECE_BINS: Final = 15


@dataclass(frozen=True)
class Metric:
    """One metric of rows.

    Attributes
    ----------
    better
        Whether a better model has a higher or a lower value.
    compute
        From events, probabilities and flags (probability at or above the threshold), shape (n,); flags are None where
        there is no threshold. None where undefined.
    """

    name: str
    better: Literal["higher", "lower"]
    compute: Callable[[Mask, Floats, Mask | None], float | None]


def expected_calibration_error(event: Mask, probability: Floats, bins: int = ECE_BINS) -> float:
    """Mean |share of events - mean probability| over bins of equal mass, weighted by rows (Naeini et al. 2015).

    Rows are cut into ``bins`` runs of nearly equal size by probability; rows of one probability are never parted.
    """
    order = np.argsort(probability, kind="stable")
    p, y = probability[order], event[order]
    edges = np.linspace(0, len(p), min(bins, len(p)) + 1).round().astype(int)[1:-1]
    starts = np.unique(np.append(0, np.searchsorted(p, p[edges], side="left")))
    gaps = np.add.reduceat(y.astype(np.float64), starts) - np.add.reduceat(p, starts)
    return float(np.abs(gaps).sum() / len(p))


def row_metrics(event: Mask, probability: Floats, flagged: Mask | None) -> dict[str, float | None]:
    """Every metric of n rows, None where it is undefined (no rows, no events, nothing but events, no threshold)."""
    if len(event) == 0:
        return dict.fromkeys(metric.name for metric in METRICS)
    return {metric.name: metric.compute(event, probability, flagged) for metric in METRICS}


def _both(event: Mask) -> bool:
    return bool(event.any() and not event.all())


def _roc_auc(event: Mask, probability: Floats, _: Mask | None) -> float | None:
    return float(roc_auc_score(event, probability)) if _both(event) else None


def _pr_auc(event: Mask, probability: Floats, _: Mask | None) -> float | None:
    return float(average_precision_score(event, probability)) if event.any() else None


def _brier(event: Mask, probability: Floats, _: Mask | None) -> float | None:
    return float(brier_score_loss(event, probability, pos_label=True))


def _ece(event: Mask, probability: Floats, _: Mask | None) -> float | None:
    return expected_calibration_error(event, probability)


def _log_loss(event: Mask, probability: Floats, _: Mask | None) -> float | None:
    p = np.clip(probability, 1e-12, 1.0 - 1e-12)
    return float(-np.mean(np.where(event, np.log(p), np.log1p(-p))))


def _precision(event: Mask, _: Floats, flagged: Mask | None) -> float | None:
    return float(event[flagged].mean()) if flagged is not None and flagged.any() else None


def _recall(event: Mask, _: Floats, flagged: Mask | None) -> float | None:
    return float(flagged[event].mean()) if flagged is not None and event.any() else None


METRICS: Final = (
    Metric("roc_auc", "higher", _roc_auc),
    Metric("pr_auc", "higher", _pr_auc),
    Metric("brier", "lower", _brier),
    Metric("log_loss", "lower", _log_loss),
    Metric("ece", "lower", _ece),
    Metric("precision", "higher", _precision),
    Metric("recall", "higher", _recall),
)
POOLED_METRICS: Final = ("roc_auc", "pr_auc", "brier", "ece")
