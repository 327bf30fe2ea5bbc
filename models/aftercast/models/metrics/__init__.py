"""Metrics of rows, of failures, under budgets and at rates of false visits. Undefined is None, never 0."""
