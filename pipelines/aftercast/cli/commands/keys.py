"""``aftercast keys``: who may use the service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from aftercast.cli.common import JsonFlag, WorkspaceOption, instant, note, opened, print_json, print_table, say

if TYPE_CHECKING:  # help needs neither
    from aftercast.data.workspace import Workspace
    from aftercast.operations.database.keys import ApiKey

PANEL = "Serve and operate"

keys = typer.Typer(help="API keys of the service.", no_args_is_help=True)
COLUMNS = ["id", "name", "scopes", "outlets", "rate limit", "created", "expires", "revoked", "replaced by"]


@keys.command("create")
def create(
    *,
    name: Annotated[str, typer.Option(help="Who will use it.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(help="predict, lists, ingest, metrics or admin; may be repeated. [default: predict, lists]"),
    ] = None,
    expires: Annotated[str | None, typer.Option(help="First day on which it does not work. [default: never]")] = None,
    outlet: Annotated[
        list[str] | None, typer.Option(help="Outlet whose devices it sees; may be repeated. [default: all]")
    ] = None,
    rate_limit: Annotated[str | None, typer.Option(help="Such as 600/minute. [default: serving.rate_limit]")] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Create a key. It is shown only once.

    Example: aftercast keys create --name ticketing --scope predict --outlet north --rate-limit 600/minute -w fleet
    """
    from aftercast.operations.database.keys import DEFAULT_SCOPES, create_key, find_key

    used = opened(workspace)
    key_id, plaintext = create_key(
        used.database,
        name,
        tuple(scope or DEFAULT_SCOPES),
        instant(expires),
        outlets=outlet or None,
        rate_limit=rate_limit,
    )
    _changed(used, "key.created", find_key(used.database, key_id))
    _show(key_id, plaintext, f"Key {key_id} for {name}.", as_json=as_json)
    _tell_unknown_outlets(used, outlet or [])


@keys.command("rotate")
def rotate(
    key_id: Annotated[str, typer.Argument(help="Id of the key to replace, see `aftercast keys list`.")],
    overlap: Annotated[str, typer.Option(help="How long the old key still works, such as 24h or 7d.")] = "24h",
    expires: Annotated[
        str | None, typer.Option(help="First day on which the new key does not work. [default: as the old key]")
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Replace a key by a new one with the same rights. Both work during the overlap.

    Example: aftercast keys rotate 1a2b3c4d --overlap 24h -w fleet
    """
    from aftercast.operations.database.keys import find_key, rotate_key

    used = opened(workspace)
    new_id, plaintext = rotate_key(used.database, key_id, overlap=_span(overlap), expires_at=instant(expires))
    old = find_key(used.database, key_id)
    _changed(used, "key.rotated", old)
    _changed(used, "key.created", find_key(used.database, new_id))
    _show(
        new_id, plaintext, f"Key {new_id} for {old.name}; {key_id} works until {_day(old.expires_at)}.", as_json=as_json
    )


@keys.command("list")
def list_all(workspace: WorkspaceOption = None, as_json: JsonFlag = False) -> None:
    """List all keys, without their secrets.

    Example: aftercast keys list -w fleet
    """
    from dataclasses import asdict

    from aftercast.operations.database.keys import list_keys

    found = list_keys(opened(workspace).database)
    if as_json:
        print_json([{**asdict(key), "outlets": _sorted(key.outlets)} for key in found])
        return
    rows = [
        [
            key.key_id,
            key.name,
            " ".join(key.scopes),
            "all" if key.outlets is None else " ".join(sorted(key.outlets)),
            key.rate_limit or "",
            _day(key.created_at),
            _day(key.expires_at),
            _day(key.revoked_at),
            key.replaced_by or "",
        ]
        for key in found
    ]
    print_table("", COLUMNS, rows)


@keys.command("revoke")
def revoke(
    key_id: Annotated[str, typer.Argument(help="Id of the key, see `aftercast keys list`.")],
    workspace: WorkspaceOption = None,
) -> None:
    """Revoke a key. It stops working within a second.

    Example: aftercast keys revoke 1a2b3c4d -w fleet
    """
    from aftercast.operations.database.keys import find_key, revoke_key

    used = opened(workspace)
    before = find_key(used.database, key_id)
    if before.revoked_at is not None:
        say(f"Key {key_id} for {before.name} was revoked already, on {_day(before.revoked_at)} UTC.")
        return
    key = revoke_key(used.database, key_id)
    _changed(used, "key.revoked", key)
    say(f"Key {key.key_id} for {key.name} no longer works.")


def _tell_unknown_outlets(workspace: Workspace, outlets: list[str]) -> None:
    """Warn about outlets that no stored device has; without a readable store of devices there is no warning."""
    from aftercast.operations.errors import StoreError

    if not outlets:
        return
    try:
        found = workspace.store.read("devices", columns=["device_id", "outlet_id"])["outlet_id"]
    except StoreError:
        return
    known = sorted(set(found.dropna().astype(str)))
    there = f"They have {', '.join(known[:5])}{' ...' if len(known) > 5 else ''}." if known else "They have none."
    for outlet in {each.strip() for each in outlets} - set(known):
        if len(found) > 0:
            note(f"Warning: no device has the outlet '{outlet}'; the key sees nothing of it until one has. {there}")


def _changed(workspace: Workspace, event: str, key: ApiKey) -> None:
    """Record a change of keys in the audit log, without the secret."""
    workspace.audit.append(
        event,
        {
            "key_id": key.key_id,
            "name": key.name,
            "scopes": list(key.scopes),
            "outlets": _sorted(key.outlets),
            "expires_at": None if key.expires_at is None else key.expires_at.isoformat(),
            "replaced_by": key.replaced_by,
        },
    )


def _show(key_id: str, plaintext: str, about: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"key_id": key_id, "key": plaintext})
        return
    say(plaintext)
    note(f"{about} It cannot be shown again; send it as X-API-Key.")


def _span(text: str) -> Any:
    """Duration that a person typed; raises SettingsError if it is not one."""
    import pandas as pd

    from aftercast.operations.errors import SettingsError

    try:
        span: Any = pd.Timedelta(text)
    except ValueError as error:
        raise SettingsError(f"'{text}' is not a length of time.", "Write it as 24h or 7d.") from error
    if (
        not isinstance(span, pd.Timedelta) or text.strip().lstrip("-").isdecimal()
    ):  # a bare number would be read as nanoseconds
        raise SettingsError(f"'{text}' has no unit.", "Write it as 24h or 7d.")
    return span


def _sorted(outlets: frozenset[str] | None) -> list[str] | None:
    return None if outlets is None else sorted(outlets)


def _day(moment: Any) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M}"
