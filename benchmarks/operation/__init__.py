"""Real processes of a deployment, for benchmarks that run, fuzz and kill them."""
