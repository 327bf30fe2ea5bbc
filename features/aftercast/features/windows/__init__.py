"""Compiled kernels that compute window statistics at every cutoff of every device, exact under late records."""
