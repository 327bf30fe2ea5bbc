"""Fitting: training, thresholds, shift of the base rate, and tuning of settings."""
