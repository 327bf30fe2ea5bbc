"""Tokens: what the issuer signed for this service opens it, and nothing else does; the issuer is asked rarely."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from aftercast.data.workspace import Workspace
from aftercast.operations.errors import SettingsError
from aftercast.operations.settings import TokenSettings
from aftercast.serving.errors import ProblemError
from aftercast.serving.principals import Caller
from aftercast.serving.tokens import FRESH_S, PAUSE_S, Tokens, tokens_of

ISSUER = "https://people.example"
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
RSA_ALGORITHM, EC_ALGORITHM = jwt.algorithms.RSAAlgorithm, jwt.algorithms.ECAlgorithm


def _public(kid: str, key: Any, **more: str) -> dict[str, Any]:
    algorithm = EC_ALGORITHM if isinstance(key, ec.EllipticCurvePrivateKey) else RSA_ALGORITHM
    return {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, **more}


@dataclass
class Issuer:
    """A web server with documents, which counts how often each was asked for; and a clock."""

    address: str = ""
    documents: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    now: float = 1000.0

    def publish(self, *keys: dict[str, Any]) -> None:
        """Publish keys, and nothing but them."""
        self.documents["/keys"] = {"keys": list(keys)}

    def go_away(self) -> None:
        """Answer every question with an error."""
        self.documents.clear()

    def tokens(self, **settings: Any) -> Tokens:
        """Verifier that knows this issuer."""
        found = TokenSettings(**{"issuer": ISSUER, "jwks": f"{self.address}/keys", **settings})
        return Tokens(found, Path("nowhere"), clock=lambda: self.now)


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    found = Issuer()

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append(self.path)
            content = json.dumps(found.documents.get(self.path)).encode()
            self.send_response(200 if self.path in found.documents else 503)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        found.address = f"http://127.0.0.1:{server.server_address[1]}"
        found.publish(_public("r1", RSA_KEY), _public("e1", EC_KEY))
        yield found
        server.shutdown()
        thread.join()


def _claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    usual = {"iss": ISSUER, "aud": "aftercast", "sub": "anna", "exp": now + 600, "scope": "predict", "outlets": ["N1"]}
    return {name: value for name, value in {**usual, **changes}.items() if value is not None}


def _signed(key: Any = RSA_KEY, algorithm: str = "RS256", kid: str | None = "r1", **changes: Any) -> str:
    return jwt.encode(_claims(**changes), key, algorithm, headers={} if kid is None else {"kid": kid})


def _caller(tokens: Tokens, token: str) -> Caller | None:
    verified = tokens.verify(token)
    return None if verified is None else verified.caller


@pytest.mark.parametrize(("key", "algorithm", "kid"), [(RSA_KEY, "RS256", "r1"), (EC_KEY, "ES256", "e1")])
def test_a_token_names_its_caller_scopes_and_outlets(issuer: Issuer, key: Any, algorithm: str, kid: str) -> None:
    end = int(time.time()) + 600
    verified = issuer.tokens(leeway_s=5).verify(_signed(key, algorithm, kid, exp=end, name="Anna"))
    assert verified is not None
    assert verified.caller == Caller("token:anna", "Anna", ("predict",), frozenset({"N1"}), None, "token")
    assert verified.until == end + 5


@pytest.mark.parametrize("algorithm", ["RS256", "RS512", "PS256"])
@pytest.mark.parametrize("named", [False, True])
def test_a_key_that_names_no_algorithm_verifies_every_allowed_one_of_its_kind(
    issuer: Issuer, algorithm: str, named: bool
) -> None:
    """The algorithm of a key is optional (RFC 7517, 4.4); one that names it verifies that one alone."""
    issuer.publish(_public("r1", RSA_KEY, **({"alg": algorithm} if named else {})), _public("e1", EC_KEY))
    tokens = issuer.tokens(algorithms=("RS256", "RS512", "PS256", "ES256"))
    assert _caller(tokens, _signed(algorithm=algorithm)) is not None
    others = [_caller(tokens, _signed(algorithm=each)) for each in ("RS256", "RS512", "PS256") if each != algorithm]
    assert [each is None for each in others] == [named, named]
    assert _caller(tokens, _signed(EC_KEY, "ES256", "r1")) is None
    assert _caller(tokens, _signed(OTHER_RSA_KEY, algorithm)) is None


@pytest.mark.parametrize("use", ["enc", "sig"])
def test_a_key_for_something_else_verifies_nothing(issuer: Issuer, use: str) -> None:
    issuer.publish(_public("r1", RSA_KEY, use=use))
    assert (_caller(issuer.tokens(), _signed()) is not None) == (use == "sig")


def _unsigned() -> str:
    return jwt.encode(_claims(), "", "none", headers={"kid": "r1"})


def _confused(algorithm: str = "HS256") -> str:
    """Sign with the public key as if it were a shared secret."""

    def part(content: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()

    public = RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signed = f"{part({'alg': algorithm, 'typ': 'JWT', 'kid': 'r1'})}.{part(_claims())}"
    signature = hmac.new(public, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def _tampered() -> str:
    head, _, signature = _signed().split(".")
    _, body, _ = _signed(scope="admin").split(".")
    return f"{head}.{body}.{signature}"


REFUSED: dict[str, Callable[[], str]] = {
    "expired": lambda: _signed(exp=int(time.time()) - 31),
    "not valid yet": lambda: _signed(nbf=int(time.time()) + 60),
    "other issuer": lambda: _signed(iss="https://others.example"),
    "issuer with a slash": lambda: _signed(iss=f"{ISSUER}/"),
    "other audience": lambda: _signed(aud="payroll"),
    "without end": lambda: _signed(exp=None),
    "without issuer": lambda: _signed(iss=None),
    "without audience": lambda: _signed(aud=None),
    "without subject": lambda: _signed(sub=None),
    "empty subject": lambda: _signed(sub=""),
    "long subject": lambda: _signed(sub="a" * 256),
    "other key under a known id": lambda: _signed(OTHER_RSA_KEY),
    "key of the other kind": lambda: _signed(kid="e1"),
    "unknown id": lambda: _signed(kid="r9"),
    "no id where there are two keys": lambda: _signed(kid=None),
    "algorithm that is not allowed": lambda: _signed(algorithm="RS512"),
    "unsigned": _unsigned,
    "public key as secret": _confused,
    "RS256 made with a secret": lambda: _confused("RS256"),
    "other content under the signature": _tampered,
    "outlets as text": lambda: _signed(outlets="N1"),
    "outlets that are no names": lambda: _signed(outlets=["N1", 7]),
    "outlet without name": lambda: _signed(outlets=[""]),
    "no token": lambda: "a.b.c",
    "nothing": lambda: "",
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_the_issuer_did_not_sign_for_this_service_is_refused(issuer: Issuer, what: str) -> None:
    tokens = issuer.tokens()
    assert tokens.verify(_signed()) is not None
    assert tokens.verify(REFUSED[what]()) is None


@given(st.text(st.characters(codec="latin-1")))
def test_arbitrary_text_is_not_a_token(text: str) -> None:
    assert Tokens(TokenSettings(issuer=ISSUER, jwks="missing.json"), Path("nowhere")).verify(text) is None


def test_clocks_may_differ_a_little(issuer: Issuer) -> None:
    late = _signed(exp=int(time.time()) - 10)
    assert issuer.tokens(leeway_s=30).verify(late) is not None
    assert issuer.tokens(leeway_s=0).verify(late) is None


@pytest.mark.parametrize(
    ("claim", "scopes"),
    [
        ("predict lists", ("predict", "lists")),
        (["ingest", "predict"], ("predict", "ingest")),
        ("openid predict profile", ("predict",)),
        ("administrator superadmin ADMIN", ()),
        ("admin", ("admin",)),
        ("", ()),
        (None, ()),
        (7, ()),
    ],
)
def test_only_scopes_of_the_service_count(issuer: Issuer, claim: Any, scopes: tuple[str, ...]) -> None:
    caller = _caller(issuer.tokens(), _signed(scope=claim))
    assert caller is not None
    assert caller.scopes == scopes


def test_claims_may_have_other_names(issuer: Issuer) -> None:
    tokens = issuer.tokens(scope_claim="roles", outlet_claim="branches")
    caller = _caller(tokens, _signed(roles=["lists"], branches=["S1"]))
    assert caller is not None
    assert (caller.scopes, caller.outlets) == (("lists",), frozenset({"S1"}))


def test_without_its_claim_no_outlet_is_seen_but_by_an_administrator_or_where_no_claim_is_asked(issuer: Issuer) -> None:
    plain, admin = _signed(outlets=None), _signed(outlets=None, scope="admin")
    seen = [_caller(issuer.tokens(), plain), _caller(issuer.tokens(), admin)]
    unasked = _caller(issuer.tokens(outlet_claim=""), plain)
    assert [each and each.outlets for each in seen] == [frozenset(), None]
    assert unasked is not None
    assert unasked.outlets is None


def test_a_flood_of_unknown_ids_asks_the_issuer_once(issuer: Issuer) -> None:
    tokens = issuer.tokens()
    assert [tokens.verify(_signed(kid=f"no-{number}")) for number in range(20)] == [None] * 20
    assert len(issuer.asked) == 1


def test_threads_that_start_together_ask_the_issuer_once(issuer: Issuer) -> None:
    tokens, token = issuer.tokens(), _signed()
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(tokens.verify(token))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(found), None in found, len(issuer.asked)) == (8, False, 1)


def test_a_new_key_of_the_issuer_is_found_and_a_withdrawn_one_ends(issuer: Issuer) -> None:
    tokens = issuer.tokens()
    assert tokens.verify(_signed()) is not None
    issuer.publish(_public("r2", OTHER_RSA_KEY))
    issuer.now += PAUSE_S
    assert tokens.verify(_signed(OTHER_RSA_KEY, kid="r2")) is not None
    assert tokens.verify(_signed()) is None


def test_the_issuer_is_asked_again_after_some_minutes(issuer: Issuer) -> None:
    tokens = issuer.tokens()
    tokens.verify(_signed())
    issuer.publish(_public("r2", OTHER_RSA_KEY))
    issuer.now += FRESH_S - 0.1
    assert tokens.verify(_signed()) is not None
    issuer.now += 0.1
    assert tokens.verify(_signed()) is None


def test_known_keys_go_on_working_while_the_issuer_is_away_and_unknown_ones_wait(issuer: Issuer) -> None:
    tokens = issuer.tokens()
    tokens.verify(_signed())
    issuer.go_away()
    for _ in range(3):
        issuer.now += FRESH_S
        assert tokens.verify(_signed()) is not None
    with pytest.raises(ProblemError) as refused:
        tokens.verify(_signed(kid="r9"))
    assert refused.value.problem.type == "/problems/tokens-unavailable"


def test_without_any_key_tokens_wait_for_the_issuer_which_is_not_pressed(issuer: Issuer) -> None:
    issuer.go_away()
    tokens = issuer.tokens()
    for _ in range(5):
        with pytest.raises(ProblemError):
            tokens.verify(_signed())
    assert len(issuer.asked) == 1
    issuer.publish(_public("r1", RSA_KEY))
    issuer.now += PAUSE_S
    assert tokens.verify(_signed()) is not None


@pytest.mark.parametrize("document", [None, [], {}, {"keys": []}, {"keys": "none"}, {"keys": [{"kty": "none"}]}])
def test_a_document_without_keys_does_not_replace_those_that_are_known(issuer: Issuer, document: Any) -> None:
    tokens = issuer.tokens()
    tokens.verify(_signed())
    issuer.documents["/keys"] = document
    issuer.now += FRESH_S
    assert tokens.verify(_signed()) is not None


def test_a_key_that_only_encrypts_signs_nothing(issuer: Issuer) -> None:
    issuer.publish(_public("r1", RSA_KEY, use="enc"), _public("e1", EC_KEY, use="sig"))
    assert issuer.tokens().verify(_signed()) is None
    assert issuer.tokens().verify(_signed(EC_KEY, "ES256", "e1")) is not None


def test_a_lone_key_needs_no_id(issuer: Issuer) -> None:
    issuer.publish(_public("r1", RSA_KEY))
    assert issuer.tokens().verify(_signed(kid=None)) is not None


def test_a_shared_secret_among_the_published_keys_verifies_nothing(issuer: Issuer) -> None:
    secret = base64.urlsafe_b64encode(b"s" * 32).rstrip(b"=").decode()
    issuer.publish({"kty": "oct", "kid": "s1", "k": secret, "alg": "HS256"}, _public("r1", RSA_KEY))
    assert issuer.tokens().verify(_signed("s" * 32, "HS256", "s1")) is None


def _discovery(found: Issuer, /, **changes: Any) -> Tokens:
    document = {"issuer": found.address, "jwks_uri": f"{found.address}/keys", **changes}
    found.documents["/.well-known/openid-configuration"] = document
    return found.tokens(issuer=found.address, jwks="")


def test_the_keys_are_found_through_the_discovery_document(issuer: Issuer) -> None:
    tokens = _discovery(issuer)
    assert tokens.verify(_signed(iss=issuer.address)) is not None
    assert issuer.asked == ["/.well-known/openid-configuration", "/keys"]


@pytest.mark.parametrize("changes", [{"issuer": "https://others.example"}, {"jwks_uri": 7}, {"jwks_uri": "file:///k"}])
def test_a_discovery_document_of_someone_else_is_not_believed(issuer: Issuer, changes: dict[str, Any]) -> None:
    tokens = _discovery(issuer, **changes)
    with pytest.raises(ProblemError):
        tokens.verify(_signed(iss=issuer.address))


def test_the_keys_may_lie_in_a_file_of_the_workspace(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [_public("r1", RSA_KEY)]}), encoding="utf-8")
    tokens = tokens_of(TokenSettings(issuer=ISSUER, jwks="keys.json"), tmp_path)
    assert tokens is not None
    assert tokens.verify(_signed()) is not None


@pytest.mark.parametrize(
    "settings", [{"algorithms": ("RS256", "HS256")}, {"algorithms": ("none",)}, {"algorithms": ()}, {"audience": ""}]
)
def test_settings_that_would_let_anyone_in_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="tokens"):
        Tokens(TokenSettings(**{"issuer": ISSUER, **settings}), Path("nowhere"))


def test_without_an_issuer_nothing_verifies_tokens() -> None:
    assert tokens_of(TokenSettings(), Path("nowhere")) is None


Listening = Callable[[Workspace], AbstractContextManager[str]]


def _get(url: str, token: str, path: str = "/openapi.json") -> httpx.Response:
    return httpx.get(f"{url}{path}", headers={"Authorization": f"Bearer {token}"})


def test_a_service_with_an_issuer_takes_its_tokens(
    bare_workspace: Workspace, listening: Listening, issuer: Issuer
) -> None:
    tokens = TokenSettings(issuer=ISSUER, jwks=f"{issuer.address}/keys")
    workspace = replace(bare_workspace, settings=bare_workspace.settings.model_copy(update={"tokens": tokens}))
    with listening(workspace) as url:
        opened = [_get(url, _signed(scope=scope)).status_code for scope in ("predict", "")]
        refused = [_get(url, REFUSED[what]()).status_code for what in ("expired", "unsigned", "public key as secret")]
        unscoped = _get(url, _signed(), "/v1/risk-lists/1")
        issuer.go_away()
        kept = _get(url, _signed(sub="berta")).status_code
    workspace.database.dispose()
    assert (opened, refused, kept) == ([200, 200], [401] * 3, 200)
    assert unscoped.status_code == 403
    assert unscoped.json()["detail"] == "The token lacks the scope 'lists'."


def test_a_service_whose_issuer_is_away_says_so(
    bare_workspace: Workspace, listening: Listening, issuer: Issuer
) -> None:
    issuer.go_away()
    tokens = TokenSettings(issuer=ISSUER, jwks=f"{issuer.address}/keys")
    workspace = replace(bare_workspace, settings=bare_workspace.settings.model_copy(update={"tokens": tokens}))
    with listening(workspace) as url:
        answer = _get(url, _signed())
    workspace.database.dispose()
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/tokens-unavailable")


def test_a_service_without_an_issuer_refuses_every_token(bare_url: str) -> None:
    answer = _get(bare_url, _signed(scope="admin"))
    assert (answer.status_code, answer.json()["type"]) == (401, "/problems/unauthenticated")
