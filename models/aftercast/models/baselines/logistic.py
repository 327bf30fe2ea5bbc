"""Logistic regression on the same features: medians for missing values with flags, scaled, texts as indicators."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from aftercast.models.aliases import Floats, Mask
from aftercast.models.baselines.base import Baseline, BaselineData, outcomes, rate

MOST_ROWS: Final = 20_000
CLIP: Final = 8.0


@dataclass(frozen=True)
class Logistic:
    """One pipeline by component; a rate where a component has too few failures to fit."""

    pipelines: tuple[Any, ...]

    def predict(self, features: pd.DataFrame) -> Floats:
        """Probability of each component, shape (n, C)."""
        plain = plain_frame(features)
        return np.stack([_probability(pipeline, plain) for pipeline in self.pipelines], axis=1)


def plain_frame(features: pd.DataFrame) -> pd.DataFrame:
    """Features as scikit-learn takes them: float64, and object texts with "" for missing."""
    texts = {
        name: features[name].astype(object).where(features[name].notna(), "")
        for name, dtype in features.dtypes.items()
        if isinstance(dtype, pd.CategoricalDtype)
    }
    numbers = {name: features[name].to_numpy(np.float64) for name in features.columns if name not in texts}
    return pd.DataFrame({name: texts.get(name, numbers.get(name)) for name in features.columns}, index=features.index)


def _probability(pipeline: Any, features: pd.DataFrame) -> Floats:
    if isinstance(pipeline, float):
        return np.full(len(features), pipeline)
    return np.asarray(pipeline.predict_proba(features)[:, 1])


class _ClippingScaler(StandardScaler):
    """Scaling that draws values in to the training range: neither a mad counter nor a clock may rule a linear model."""

    low_: Floats
    high_: Floats

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> _ClippingScaler:  # noqa: N803 - scikit-learn's signature
        """Learn mean, spread and range of each column, shape (n, k)."""
        super().fit(X, y, sample_weight)
        scaled = super().transform(X)
        self.low_ = np.maximum(scaled.min(axis=0), -CLIP)
        self.high_ = np.minimum(scaled.max(axis=0), CLIP)
        return self

    def transform(self, X: Any, copy: bool | None = None) -> Any:  # noqa: N803 - scikit-learn's signature
        """Scaled columns within the range of training."""
        return np.clip(super().transform(X, copy), self.low_, self.high_)


def _pipeline(features: pd.DataFrame) -> Any:
    texts = [name for name, dtype in features.dtypes.items() if dtype == np.dtype(object)]
    numbers = [name for name in features.columns if name not in texts]
    imputer = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    columns = make_column_transformer(
        (make_pipeline(imputer, _ClippingScaler()), numbers), (OneHotEncoder(handle_unknown="ignore"), texts)
    )
    return make_pipeline(columns, LogisticRegression(C=0.05, solver="newton-cholesky", max_iter=200))


def _fit_one(features: pd.DataFrame, event: Mask, seed: int) -> Any:
    if event.sum() < 2 or event.all():
        return rate(float(event.sum()), len(event))
    kept, weight = _sample(event, seed)
    fitted = _pipeline(features)
    return fitted.fit(features.iloc[kept], event[kept], logisticregression__sample_weight=weight)


def _sample(event: Mask, seed: int) -> tuple[Mask, Floats]:
    """All failures, and about 20,000 of the others weighted by the inverse of their share."""
    share = min(1.0, MOST_ROWS / max(int((~event).sum()), 1))
    kept = event | (np.random.default_rng(seed).random(len(event)) < share)
    return kept, np.where(event[kept], 1.0, 1.0 / share)


def _fit(data: BaselineData) -> Logistic:
    plain = plain_frame(data.features)
    return Logistic(tuple(_fit_one(plain.iloc[rows], event, data.seed) for _, rows, event in outcomes(data)))


BASELINE = Baseline("logistic", "logistic regression on the same features", _fit)
