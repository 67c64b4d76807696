"""Tokens of a server outside: only those that are signed with its key, for this registry, and still good."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from engine.registry.server.outside import OutsideTokens, TokenServer
from engine.registry.server.textfile import UsersInvalid
from tests.tokens import packed

NOW = 1_000_000.0
ACCESS = [{"type": "repository", "name": "a", "actions": ["pull"]}]
CLAIMS = {"iss": "us", "aud": "here", "sub": "me", "exp": NOW + 300, "nbf": NOW, "access": ACCESS}
KEY = ec.generate_private_key(ec.SECP256R1())


def token(algorithm: str = "ES256", **claims: Any) -> str:
    said = f"{packed(json.dumps({'alg': algorithm}).encode())}.{packed(json.dumps({**CLAIMS, **claims}).encode())}"
    r, s = decode_dss_signature(KEY.sign(said.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{said}.{packed(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


@pytest.fixture
def tokens(tmp_path: Path) -> OutsideTokens:
    key = tmp_path / "key.pem"
    key.write_bytes(KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return OutsideTokens(TokenServer("https://tokens.example", "here", "us", key), lambda: NOW)


def test_a_good_token_says_who_may_do_what(tokens: OutsideTokens) -> None:
    for good in (token(), token(aud=["there", "here"]), token(nbf=NOW + 30)):
        read = tokens.read(good)
        assert read is not None and read[0] == "me"
        assert [str(scope) for scope in read[1]] == ["repository:a:pull"]


@pytest.mark.parametrize(
    "bad",
    [
        token(aud="there"),
        token(iss="them"),
        token(exp=NOW - 100),
        token(nbf=NOW + 100),
        token(access=[{"type": "repository"}]),
        token("RS256"),
        token("none"),
        token("HS256"),
        token().rpartition(".")[0] + ".",
        token()[:-4] + "AAAA",
        f"{base64.urlsafe_b64encode(b'[]').decode()}.x.y",
        "x",
        "",
    ],
)
def test_a_bad_token_is_none(tokens: OutsideTokens, bad: str) -> None:
    assert tokens.read(bad) is None


def test_a_file_without_a_key_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "none").write_text("no key")
    for name, words in (("none", "no certificate and no public key"), ("missing", "No such file")):
        with pytest.raises(UsersInvalid, match=f"{name}: .*{words}"):
            OutsideTokens(TokenServer("u", "s", "i", tmp_path / name), lambda: NOW)
