"""The audit log: what was answered and changed, each entry bound to the one before it by its hash."""
