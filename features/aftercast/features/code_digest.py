"""The features are what the sources of this package make: their digest is part of what a training is known by."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path


@cache
def sources_digest() -> str:
    """Digest of all modules of the feature package as they are installed, 64 hexadecimal digits."""
    return digest_of(Path(__file__).parent)


def digest_of(folder: Path) -> str:
    """Digest of the names and contents of all Python modules below a folder."""
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*.py")):
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        digest.update(f"{file.relative_to(folder).as_posix()} {content}\n".encode())
    return digest.hexdigest()
