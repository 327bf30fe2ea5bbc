"""API keys: shown once, stored hashed, and useless once revoked or expired."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from aftercast.data.errors import NotFoundError, SettingsError
from aftercast.data.records.database import open_database
from aftercast.data.records.keys import API_KEYS, create_key, list_keys, revoke_key, verify_key

NOON = pd.Timestamp("2100-01-01T12:00", tz="UTC")
KEY_LENGTH = len("ac_") + 8 + len("_") + 64
SECOND = pd.Timedelta(seconds=1)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    opened = open_database("sqlite:///keys.db", tmp_path_factory.mktemp("keys"))
    yield opened
    opened.dispose()


def test_a_new_key_is_verified_with_its_name_and_scopes(engine: Engine) -> None:
    key_id, plaintext = create_key(engine, " ticketing ", ["lists"])
    found = verify_key(engine, plaintext)
    assert found is not None
    assert (found.key_id, found.name, found.scopes) == (key_id, "ticketing", ("lists",))


def test_a_key_does_what_its_scopes_say_and_admin_everything(engine: Engine) -> None:
    create_key(engine, "reader", ["lists"])
    reader = list_keys(engine)[-1]
    create_key(engine, "root", ["admin"])
    root = list_keys(engine)[-1]
    assert (reader.allows("lists"), reader.allows("predict"), reader.allows("admin")) == (True, False, False)
    assert root.allows("predict")


def test_no_part_of_the_secret_is_stored(engine: Engine, tmp_path: Path) -> None:
    _, plaintext = create_key(engine, "secretive")
    secret = plaintext.split("_")[2]
    with engine.connect() as connection:
        stored = [str(value) for row in connection.execute(API_KEYS.select()) for value in row]
    assert [value for value in stored if secret in value] == []
    assert secret not in repr(list_keys(engine))


def test_a_revoked_key_stops_at_once_and_keeps_its_first_revocation(engine: Engine) -> None:
    key_id, plaintext = create_key(engine, "leaver")
    first = revoke_key(engine, key_id)
    assert verify_key(engine, plaintext) is None
    assert revoke_key(engine, key_id).revoked_at == first.revoked_at


def test_a_key_works_until_its_expiry_and_no_longer_at_it(engine: Engine) -> None:
    _, plaintext = create_key(engine, "visitor", expires_at=NOON)
    assert verify_key(engine, plaintext, now=NOON - SECOND) is not None
    assert verify_key(engine, plaintext, now=NOON) is None


def test_revoking_an_unknown_key_says_so(engine: Engine) -> None:
    with pytest.raises(NotFoundError, match="keys list"):
        revoke_key(engine, "ffff0000")


@pytest.mark.parametrize(
    ("name", "scopes", "expires_at", "said"),
    [
        ("  ", ["predict"], None, "needs a name"),
        ("a", [], None, "needs a scope"),
        ("a", ["predict", "root"], None, "'root' is not a scope"),
        ("a", ["predict"], pd.Timestamp("2001-01-01", tz="UTC"), "expired already"),
    ],
)
def test_a_key_nobody_could_use_is_not_made(
    engine: Engine, name: str, scopes: list[str], expires_at: pd.Timestamp | None, said: str
) -> None:
    before = len(list_keys(engine))
    with pytest.raises(SettingsError, match=said):
        create_key(engine, name, scopes, expires_at)
    assert len(list_keys(engine)) == before


@given(place=st.integers(0, KEY_LENGTH - 1), shift=st.integers(1, 93))
def test_a_key_with_any_character_changed_is_refused(engine: Engine, place: int, shift: int) -> None:
    _, plaintext = create_key(engine, "original")
    other = chr(33 + (ord(plaintext[place]) - 33 + shift) % 94)
    assert len(plaintext) == KEY_LENGTH
    assert verify_key(engine, plaintext[:place] + other + plaintext[place + 1 :]) is None


@given(st.text(st.characters(codec="latin-1")))
def test_arbitrary_text_is_not_a_key(engine: Engine, text: str) -> None:
    assert verify_key(engine, text) is None
