"""Checks of columns: one file a kind of leak, named as the check, with ``find``; a new file is a new check."""
