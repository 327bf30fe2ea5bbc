"""Operational records in SQL: what was imported, predicted, listed and who may ask."""
