"""Kinds for the tests of kinds: one that exists only here, and a small fleet in which every kind can learn."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from aftercast.models import kinds

NAME = "complaint"


@contextmanager
def _found() -> Iterator[None]:
    kinds.__path__.append(str(Path(__file__).parent))
    try:
        yield
    finally:
        kinds.__path__.remove(str(Path(__file__).parent))
        kinds._LOADED.pop(NAME, None)
        sys.modules.pop(f"{kinds.__name__}.{NAME}", None)


@pytest.fixture
def complaint() -> Iterator[str]:
    """Name of a kind whose folder is found beside the others for the length of a test."""
    with _found():
        yield NAME


@pytest.fixture(scope="session")
def find_complaint() -> Callable[[], AbstractContextManager[None]]:
    """Find the folder of the kind for the length of a with block."""
    return _found
