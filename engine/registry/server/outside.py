"""Bearer tokens of a token server outside: this registry sends clients there, and takes what is signed with its key.

RS256 and ES256, which such servers sign with. Source: distribution's token authentication specification; RFC 7515 and
7518.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.registry.server.textfile import UsersInvalid
from engine.registry.server.tokens import LEEWAY_SECONDS, Scope, unpacked

# (algorithm, signature, what is signed) → whether the key made it
Verifier = Callable[[str, bytes, bytes], bool]


@dataclass(frozen=True, slots=True)
class TokenServer:
    """`realm` is its URL; `key` a PEM file of certificates or public keys."""

    realm: str
    service: str
    issuer: str
    key: Path


class OutsideTokens:
    def __init__(self, server: TokenServer, now: Callable[[], float]) -> None:
        """Raises UsersInvalid for a file that holds no key."""
        self.realm, self.service = server.realm, server.service
        self._issuer = server.issuer
        self._now = now
        self._keys = read_keys(server.key)

    def read(self, token: str) -> tuple[str, list[Scope]] | None:
        """(user, scopes) of a token that is the server's, for this registry, and still good."""
        signed, _, signature = token.rpartition(".")
        head, claims = unpacked(signed.partition(".")[0]), unpacked(signed.partition(".")[2])
        if head is None or claims is None:
            return None
        try:
            made = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
            known = any(verify(str(head.get("alg")), made, signed.encode()) for verify in self._keys)
            if not known or not self._good(claims):
                return None
            return str(claims.get("sub") or ""), [
                Scope(str(one["type"]), str(one["name"]), frozenset(map(str, one["actions"])))
                for one in claims.get("access") or ()
            ]
        except (binascii.Error, KeyError, TypeError, ValueError):
            return None

    def _good(self, claims: dict[str, Any]) -> bool:
        audience = claims.get("aud")
        meant = self.service in (audience if isinstance(audience, list) else [audience])
        begins, ends = float(claims.get("nbf") or 0) - LEEWAY_SECONDS, float(claims["exp"]) + LEEWAY_SECONDS
        return claims.get("iss") == self._issuer and meant and begins <= self._now() < ends


def read_keys(file: Path) -> list[Verifier]:
    """Raises UsersInvalid."""
    # late: 60 ms, for a registry that trusts a server outside
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from cryptography.x509 import load_pem_x509_certificates

    try:
        content = file.read_bytes()
        if b"-BEGIN CERTIFICATE-" in content:
            keys: list[Any] = [one.public_key() for one in load_pem_x509_certificates(content)]
        else:
            keys = [load_pem_public_key(content)]
    except OSError as error:
        raise UsersInvalid(f"{file}: {error.strerror}") from error
    except ValueError as error:
        raise UsersInvalid(f"{file}: this is no certificate and no public key in PEM form") from error
    usable = [key for key in keys if isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey)]
    if not usable:
        raise UsersInvalid(f"{file}: token servers sign with RSA or ECDSA keys: there is none")
    return [verifier(key) for key in usable]


def verifier(key: Any) -> Verifier:
    # late: as above
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    def verify(algorithm: str, signature: bytes, content: bytes) -> bool:
        try:
            if algorithm == "RS256" and isinstance(key, rsa.RSAPublicKey):
                key.verify(signature, content, padding.PKCS1v15(), hashes.SHA256())
                return True
            if algorithm == "ES256" and isinstance(key, ec.EllipticCurvePublicKey) and len(signature) == 64:
                r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
                key.verify(encode_dss_signature(r, s), content, ec.ECDSA(hashes.SHA256()))
                return True
        except InvalidSignature:
            return False
        # the head names the algorithm, and an attacker writes the head: nothing else is taken
        return False

    return verify
