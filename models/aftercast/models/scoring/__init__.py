"""Scoring a fleet: its feature rows at one cutoff, what a model says of them, and how that is stored."""
