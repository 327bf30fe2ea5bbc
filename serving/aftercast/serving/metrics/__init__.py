"""Metrics for Prometheus: counted while answering, or looked up by the worker that is scraped."""
