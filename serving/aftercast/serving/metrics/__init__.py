"""Figures of operation for Prometheus: counted while answering, looked up when scraped, put together over workers."""
