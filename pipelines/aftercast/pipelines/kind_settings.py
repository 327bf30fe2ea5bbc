"""Settings of a training as they were given: a file, and single names and values that go before it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aftercast.data.workspace import Workspace
from aftercast.models.kinds import kind_of
from aftercast.operations.errors import SettingsError


def given_settings(workspace: Workspace, kind: str, file: Path | None, pairs: Sequence[str]) -> Any:
    """Settings of a kind, None where nothing was given.

    Parameters
    ----------
    file
        TOML of names and values, as `aftercast tune --out FILE` writes it.
    pairs
        Texts ``name=value``.

    Raises
    ------
    SettingsError
        If the file cannot be read, a pair is none, a name is unknown or a value out of range.
    """
    values: dict[str, Any] = {} if file is None else dict(_read(file))
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign:
            raise SettingsError(f"'{pair}' is no setting.", "Give a name and a value: --set name=value.")
        values[name.strip().replace("-", "_")] = value.strip()
    return kind_of(kind).settings(values, workspace.fleet) if values else None


def _read(file: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SettingsError(f"There is no file {file}.", "`aftercast tune KIND --out FILE` writes one.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} is not valid TOML: {error}.", "Correct the line it names.") from error
