"""Fitting: training, calibration, probability intervals, thresholds, shift of the base rate, and tuning of settings."""
