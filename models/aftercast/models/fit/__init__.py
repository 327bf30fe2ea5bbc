"""Fitting: training, thresholds, shift of the base rate, and tuning of settings."""

from aftercast.models.fit.training import Trained, train_from_store, train_model
from aftercast.models.fit.tuning import Found, search

__all__ = ["Found", "Trained", "search", "train_from_store", "train_model"]
