"""Kinds for the tests of kinds: one that exists only here, and a small fleet in which every kind can learn."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from aftercast.models import kinds

NAME = "complaint"


@pytest.fixture
def complaint() -> Iterator[str]:
    """Name of a kind whose folder is found beside the others for the length of a test."""
    kinds.__path__.append(str(Path(__file__).parent))
    yield NAME
    kinds.__path__.remove(str(Path(__file__).parent))
    kinds._LOADED.pop(NAME, None)
    sys.modules.pop(f"{kinds.__name__}.{NAME}", None)
