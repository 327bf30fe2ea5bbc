"""Migrations of the operational database: one file ``NNNN_title.py`` a revision in ``versions/``, for both engines.

A revision does not import the tables, which go on changing; a test fails where the two differ.
"""
