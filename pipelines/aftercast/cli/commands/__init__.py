"""The commands, one a file; each module has a function ``register``."""
