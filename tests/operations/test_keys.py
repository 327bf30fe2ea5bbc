"""API keys: shown once, stored hashed, and useless once revoked or expired."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, event
from typer.testing import CliRunner, Result

from aftercast.cli.commands.keys import keys as commands
from aftercast.data.fleet import Component, FleetSpec
from aftercast.data.workspace import Workspace, create_workspace
from aftercast.operations.database.engine import open_database
from aftercast.operations.database.keys import (
    API_KEYS,
    SCOPES,
    ApiKey,
    create_key,
    find_key,
    list_keys,
    revoke_key,
    rotate_key,
    verify_key,
)
from aftercast.operations.errors import NotFoundError, SettingsError

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


def test_a_key_carries_its_outlets_and_rate_limit(engine: Engine) -> None:
    _, plaintext = create_key(engine, "north", outlets=["N2", " N1 ", "N2"], rate_limit="600/minute")
    _, other = create_key(engine, "all")
    found, everything = verify_key(engine, plaintext), verify_key(engine, other)
    assert found is not None
    assert everything is not None
    assert (found.outlets, found.rate_limit) == (frozenset({"N1", "N2"}), "600/minute")
    assert (everything.outlets, everything.rate_limit, everything.replaced_by) == (None, None, None)


@pytest.mark.parametrize("scope", SCOPES)
def test_every_scope_but_admin_grants_itself_alone(engine: Engine, scope: str) -> None:
    key_id, _ = create_key(engine, "one", [scope])
    key = find_key(engine, key_id)
    assert {each for each in SCOPES if key.allows(each)} == (set(SCOPES) if scope == "admin" else {scope})


@pytest.mark.parametrize(
    ("outlets", "rate_limit", "said"),
    [
        ([], None, "none is named"),
        (["N1", " "], None, "blank"),
        (None, "often", "not a rate limit"),
        (None, "", "not a rate limit"),
        (None, "0/minute", "lets nothing through"),
        (None, "600/minute;5/second", "more than one"),
    ],
)
def test_a_reach_that_makes_no_sense_is_refused(
    engine: Engine, outlets: list[str] | None, rate_limit: str | None, said: str
) -> None:
    before = len(list_keys(engine))
    with pytest.raises(SettingsError, match=said):
        create_key(engine, "a", outlets=outlets, rate_limit=rate_limit)
    assert len(list_keys(engine)) == before


@pytest.mark.parametrize("scopes", [["ingest"], ["predict", "ingest"], ["admin"]])
def test_a_key_with_outlets_cannot_send_records(engine: Engine, scopes: list[str]) -> None:
    before = len(list_keys(engine))
    with pytest.raises(SettingsError, match="cannot send records") as refused:
        create_key(engine, "north", scopes, outlets=["N1"])
    assert "gateway" in refused.value.hint
    assert len(list_keys(engine)) == before


def _rights(key: ApiKey | None) -> tuple[object, ...]:
    assert key is not None
    return key.name, key.scopes, key.outlets, key.rate_limit


def test_the_new_key_may_what_the_old_one_may_and_both_work_for_the_overlap(engine: Engine) -> None:
    old_id, old = create_key(engine, "ticketing", ["predict"], outlets=["N1"], rate_limit="9/hour")
    before = pd.Timestamp.now("UTC")
    new_id, new = rotate_key(engine, old_id, overlap=SECOND * 60)
    after = pd.Timestamp.now("UTC")
    end = find_key(engine, old_id).expires_at
    assert end is not None
    assert before + SECOND * 60 <= end <= after + SECOND * 60
    assert new != old
    assert _rights(verify_key(engine, old)) == _rights(verify_key(engine, new))
    assert _rights(verify_key(engine, new, now=end)) == ("ticketing", ("predict",), frozenset({"N1"}), "9/hour")
    assert verify_key(engine, old, now=end) is None
    assert (find_key(engine, old_id).replaced_by, find_key(engine, new_id).replaced_by) == (new_id, None)


def test_the_overlap_does_not_lengthen_the_old_key_and_the_new_one_keeps_its_end(engine: Engine) -> None:
    soon = pd.Timestamp.now("UTC").as_unit("us") + SECOND * 60
    old_id, _ = create_key(engine, "visitor", expires_at=soon)
    new_id, _ = rotate_key(engine, old_id, overlap=SECOND * 3600)
    assert (find_key(engine, old_id).expires_at, find_key(engine, new_id).expires_at) == (soon, soon)


def test_a_new_end_can_be_given_and_an_overlap_of_zero_ends_the_old_key(engine: Engine) -> None:
    old_id, old = create_key(engine, "leaked", expires_at=NOON)
    new_id, _ = rotate_key(engine, old_id, overlap=SECOND * 0, expires_at=NOON + SECOND)
    assert verify_key(engine, old) is None
    assert find_key(engine, new_id).expires_at == NOON + SECOND


def _revoked(engine: Engine, key_id: str) -> object:
    return revoke_key(engine, key_id)


def _replaced(engine: Engine, key_id: str) -> object:
    return rotate_key(engine, key_id, overlap=SECOND * 60)


@pytest.mark.parametrize(("done", "said"), [(_revoked, "no longer works"), (_replaced, "has a successor")])
def test_a_key_that_ended_or_has_a_successor_is_not_replaced(
    engine: Engine, done: Callable[[Engine, str], object], said: str
) -> None:
    key_id, _ = create_key(engine, "once")
    done(engine, key_id)
    before = len(list_keys(engine))
    with pytest.raises(SettingsError, match=said):
        rotate_key(engine, key_id, overlap=SECOND)
    assert len(list_keys(engine)) == before


def test_an_overlap_or_end_that_makes_no_sense_is_refused(engine: Engine) -> None:
    key_id, _ = create_key(engine, "a")
    with pytest.raises(SettingsError, match="negative"):
        rotate_key(engine, key_id, overlap=-SECOND)
    with pytest.raises(SettingsError, match="expired already"):
        rotate_key(engine, key_id, overlap=SECOND, expires_at=pd.Timestamp("2001-01-01", tz="UTC"))
    with pytest.raises(NotFoundError, match="keys list"):
        rotate_key(engine, "ffff0000", overlap=SECOND)


def test_of_rotations_at_the_same_time_one_succeeds(engine: Engine) -> None:
    key_id, _ = create_key(engine, "wanted")
    before = len(list_keys(engine))

    def rotate(_: int) -> bool:
        try:
            rotate_key(engine, key_id, overlap=SECOND * 60)
        except SettingsError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(rotate, range(4)))
    assert (outcomes.count(True), len(list_keys(engine))) == (1, before + 1)


def _work(engine: Engine, plaintext: str) -> Counter[str]:
    """How many queries, digests, comparisons and calls of any function a verification makes."""
    done: Counter[str] = Counter()

    def queried(*_: Any) -> None:
        done["query"] += 1

    def called(_: FrameType, kind: str, what: Any) -> None:
        name = getattr(what, "__name__", "")
        done["calls"] += kind in {"call", "c_call"}
        if kind == "c_call" and ("sha256" in name or name == "compare_digest"):
            done[name] += 1

    event.listen(engine, "before_cursor_execute", queried)
    before = sys.getprofile()
    sys.setprofile(called)
    try:
        verify_key(engine, plaintext)
    finally:
        sys.setprofile(before)
        event.remove(engine, "before_cursor_execute", queried)
    return done


def test_an_unknown_id_takes_the_same_work_as_a_known_one(engine: Engine) -> None:
    key_id, plaintext = create_key(engine, "known")
    gone_id, gone = create_key(engine, "gone")
    revoke_key(engine, gone_id)
    _work(engine, plaintext)  # the first query is compiled and kept
    wrong = [f"ac_{each}_{'0' * 64}" for each in (key_id, gone_id, "ffff0000")]
    known, revoked, unknown = (_work(engine, each) for each in wrong)
    assert known["query"] == known["compare_digest"] == 1
    assert known == revoked == unknown
    for genuine in (plaintext, gone):
        assert {**_work(engine, genuine), "calls": 0} == {**known, "calls": 0, "query": 2}  # its row is read then


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    made = create_workspace(tmp_path / "workspace", FleetSpec(name="bare", components=(Component(name="pump"),)))
    yield made
    made.database.dispose()


def _run(workspace: Workspace, *words: str) -> Result:
    return CliRunner().invoke(commands, [*words, "--workspace", str(workspace.folder)])


def _audited(workspace: Workspace) -> str:
    return "".join(path.read_text(encoding="utf-8") for path in workspace.path("audit").rglob("*") if path.is_file())


def test_the_command_makes_a_key_with_outlets_and_rate_limit(workspace: Workspace) -> None:
    words = ["--name", "north", "--scope", "lists", "--outlet", "N1", "--outlet", "N2", "--rate-limit", "600/minute"]
    made = _run(workspace, "create", *words)
    assert made.exit_code == 0, made.output
    found = verify_key(workspace.database, made.stdout.strip())
    assert _rights(found) == ("north", ("lists",), frozenset({"N1", "N2"}), "600/minute")


def test_the_command_refuses_a_key_with_outlets_that_sends_records(workspace: Workspace) -> None:
    refused = _run(workspace, "create", "--name", "north", "--scope", "ingest", "--outlet", "N1").exception
    assert isinstance(refused, SettingsError)
    assert "`aftercast keys create --name gateway --scope ingest`" in refused.hint
    assert list_keys(workspace.database) == []


def test_the_list_shows_outlets_ends_and_successors_last(workspace: Workspace) -> None:
    old_id, _ = create_key(workspace.database, "north", outlets=["N1", "N2"], rate_limit="7/hour")
    new_id, _ = rotate_key(workspace.database, old_id, overlap=SECOND * 3600)
    table = _run(workspace, "list").stdout
    heads = [word.strip() for word in table.splitlines()[1].split("\u2503") if word.strip()]
    assert (heads[0], heads[-1]) == ("id", "replaced by")
    assert "N1 N2" in table
    assert "7/hour" in table
    listed = json.loads(_run(workspace, "list", "--json").stdout)
    assert [(each["key_id"], each["outlets"], each["replaced_by"]) for each in listed] == [
        (old_id, ["N1", "N2"], new_id),
        (new_id, ["N1", "N2"], None),
    ]


def test_the_command_replaces_a_key(workspace: Workspace) -> None:
    old_id, old = create_key(workspace.database, "ticketing")
    done = _run(workspace, "rotate", old_id, "--overlap", "0h", "--json")
    assert done.exit_code == 0, done.output
    shown = json.loads(done.stdout)
    assert verify_key(workspace.database, old) is None
    assert _rights(verify_key(workspace.database, shown["key"])) == _rights(find_key(workspace.database, old_id))


@pytest.mark.parametrize("overlap", ["soon", "24", "nan", ""])
def test_an_overlap_that_is_no_length_of_time_is_refused(workspace: Workspace, overlap: str) -> None:
    key_id, _ = create_key(workspace.database, "ticketing")
    refused = _run(workspace, "rotate", key_id, "--overlap", overlap)
    assert isinstance(refused.exception, SettingsError)
    assert find_key(workspace.database, key_id).replaced_by is None


def test_every_change_of_keys_is_on_record_without_its_secret(workspace: Workspace) -> None:
    first = json.loads(_run(workspace, "create", "--name", "north", "--outlet", "N1", "--json").stdout)
    second = json.loads(_run(workspace, "rotate", first["key_id"], "--json").stdout)
    assert _run(workspace, "revoke", second["key_id"]).exit_code == 0
    record = _audited(workspace)
    said = [record.count(word) for word in ("key.created", "key.rotated", "key.revoked", second["key_id"])]
    assert said == [2, 1, 1, 3]
    assert "N1" in record
    assert [each["key"].split("_")[2] in record for each in (first, second)] == [False, False]


def test_a_key_revoked_before_is_told_so_and_put_on_record_once(workspace: Workspace) -> None:
    key_id, _ = create_key(workspace.database, "ticketing")
    first, second = (_run(workspace, "revoke", key_id) for _ in range(2))
    assert "no longer works" in first.stdout
    assert (second.exit_code, "was revoked already" in second.stdout) == (0, True)
    assert _audited(workspace).count("key.revoked") == 1


def test_an_outlet_that_no_device_has_is_warned_of_and_the_key_is_made(own_fleet: Workspace) -> None:
    outlets = own_fleet.store.read("devices", columns=["outlet_id"])["outlet_id"]
    known = str(outlets.iloc[0])
    made = _run(own_fleet, "create", "--name", "north", "--outlet", "nort", "--outlet", known)
    assert made.exit_code == 0, made.output
    assert verify_key(own_fleet.database, made.stdout.strip()) is not None
    assert "no device has the outlet 'nort'" in made.stderr
    assert f"outlet '{known}'" not in made.stderr
    assert str(min(outlets)) in made.stderr
    assert "Warning" not in _run(own_fleet, "create", "--name", "north", "--outlet", known).stderr


def test_without_devices_no_outlet_is_warned_of(workspace: Workspace) -> None:
    made = _run(workspace, "create", "--name", "north", "--outlet", "nort")
    assert (made.exit_code, "Warning" in made.stderr) == (0, False)
