"""The features are what the code of this package makes: its digest is part of what a training is known by."""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path


@cache
def sources_digest() -> str:
    """Digest of all modules of the feature package as they are installed, 64 hexadecimal digits."""
    return digest_of(Path(__file__).parent)


def digest_of(folder: Path) -> str:
    """Digest of the names and the code of all Python modules below a folder.

    Comments, docstrings and the layout of lines do not count: they change no feature. Another release of Python may
    write the same code in another way, and then has another digest.
    """
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*.py")):
        code = ast.dump(_WithoutText().visit(ast.parse(file.read_bytes())))
        digest.update(f"{file.relative_to(folder).as_posix()} {code}\n".encode())
    return digest.hexdigest()


class _WithoutText(ast.NodeTransformer):
    """Leaves out texts that stand by themselves, which is what docstrings are."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        """Leave out a text."""
        return None if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str) else node
