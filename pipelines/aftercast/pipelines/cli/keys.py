"""``aftercast keys``: who may ask the service."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from aftercast.pipelines.cli.common import (
    JsonFlag,
    WorkspaceOption,
    instant,
    note,
    opened,
    print_json,
    print_table,
    say,
)

keys = typer.Typer(help="API keys of the service.", no_args_is_help=True)


@keys.command("create")
def create(
    name: Annotated[str, typer.Option(help="Who will use it.")],
    scope: Annotated[list[str] | None, typer.Option(help="predict, lists or admin; may be repeated.")] = None,
    expires: Annotated[str | None, typer.Option(help="First day it no longer works. [default: never]")] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Make a key; it is shown once.

    Example: aftercast keys create --name ticketing --scope predict --expires 2027-01-01 -w fleet
    """
    from aftercast.data.records.keys import DEFAULT_SCOPES, create_key

    key_id, key = create_key(opened(workspace).database, name, tuple(scope or DEFAULT_SCOPES), instant(expires))
    if as_json:
        print_json({"key_id": key_id, "key": key})
        return
    say(key)
    note(f"Key {key_id} for {name}. It cannot be shown again; send it as X-API-Key.")


@keys.command("list")
def list_all(workspace: WorkspaceOption = None, as_json: JsonFlag = False) -> None:
    """List all keys, without their secrets.

    Example: aftercast keys list -w fleet
    """
    from dataclasses import asdict

    from aftercast.data.records.keys import list_keys

    found = list_keys(opened(workspace).database)
    if as_json:
        print_json([asdict(key) for key in found])
        return
    rows = [
        [
            key.key_id,
            key.name,
            " ".join(key.scopes),
            _day(key.created_at),
            _day(key.expires_at),
            _day(key.revoked_at),
        ]
        for key in found
    ]
    print_table("", ["id", "name", "scopes", "created", "expires", "revoked"], rows)


@keys.command("revoke")
def revoke(
    key_id: Annotated[str, typer.Argument(help="Id of the key, see `aftercast keys list`.")],
    workspace: WorkspaceOption = None,
) -> None:
    """Revoke a key; it stops with the next request.

    Example: aftercast keys revoke 1a2b3c4d -w fleet
    """
    from aftercast.data.records.keys import revoke_key

    key = revoke_key(opened(workspace).database, key_id)
    say(f"Key {key.key_id} for {key.name} no longer works.")


def _day(moment: Any) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M}"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(keys, name="keys")
