"""Whether the command line understands a command, without running it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from typer.main import get_command

from aftercast.cli.main import app

CALL = re.compile(
    r"(?:^|[`;&(]|\$ |run --rm(?: --no-deps| --volume \S+)* |exec -T \w+ )\s*aftercast ([a-z][^`#|;&>\n]*)",
    re.MULTILINE,
)
"""A call in a document: at the start of a line, in backticks, or after another command, as that of a container."""


def understand(words: Sequence[str], command: Any = None) -> None:
    """Parse a command and its options as it would be run; raises ValueError where a name is not known.

    Commands are those of click or of the copy that typer carries, which have no common class.
    """
    current: Any = get_command(app) if command is None else command
    rest, parent = list(words), None
    try:
        while hasattr(current, "resolve_command"):
            parent = current.make_context(current.name, rest, parent=parent)
            _, current, rest = current.resolve_command(parent, [*parent._protected_args, *parent.args])
        current.make_context(current.name, rest, parent=parent)
    except Exception as error:
        if any(kind.__name__ == "UsageError" for kind in type(error).__mro__):
            raise ValueError(f"{shlex.join(words)}: {error}") from error
        raise


def calls(path: Path) -> Iterator[list[str]]:
    """Every call of the command line in a document."""
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    for found in CALL.finditer(text):
        yield [word for word in shlex.split(found[1]) if word not in {">", "..."}]
