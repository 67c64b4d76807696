"""Signatures of images, as cosign makes them with a key: found beside the image in its registry, checked with the
public half. Both of cosign's forms: a tag `sha256-<digest>.sig`, and a Sigstore bundle among the image's referrers.

No transparency log is asked: who gives a key trusts that key. Source: cosign, specs/SIGNATURE_SPEC.md; DSSE v1.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

from engine.oci.digest import Digest
from engine.registry.client.answers import as_object
from engine.registry.client.faults import Refused
from engine.registry.client.remote import Remote

# (signature, content) → whether the key made it
Verifier = Callable[[bytes, bytes], bool]
SIGNATURE = "dev.cosignproject.cosign/signature"
BUNDLE = "application/vnd.dev.sigstore.bundle"
SIMPLE_TYPE, SIGN_TYPE = "cosign container image signature", "https://sigstore.dev/cosign/sign/v1"
LARGEST = 1 << 20
# More of them are somebody's mistake, or attempt.
MOST = 100


class Unsigned(Exception):
    """No signature of the key: the text says what was found instead."""


class BadKey(Exception):
    """What is needed to ask can't be had: the file holds no public key."""


def read_key(file: Path) -> Verifier:
    """The public key in a PEM file. Raises BadKey."""
    # late: 60 ms, for images that are verified
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(file.read_bytes())
    except OSError as error:
        raise BadKey(f"{file}: {error.strerror}") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadKey(f"{file} is no public key in PEM form, as `cosign generate-key-pair` writes it") from error
    if not isinstance(key, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey):
        raise BadKey(f"{file} is a key of a kind that cosign doesn't sign with")

    def verify(signature: bytes, content: bytes) -> bool:
        try:
            if isinstance(key, ec.EllipticCurvePublicKey):
                key.verify(signature, content, ec.ECDSA(hashes.SHA256()))
            elif isinstance(key, rsa.RSAPublicKey):
                key.verify(signature, content, padding.PKCS1v15(), hashes.SHA256())
            else:
                key.verify(signature, content)
        except InvalidSignature:
            return False
        return True

    return verify


async def check_signed(remote: Remote, digest: Digest, verify: Verifier) -> None:
    """Raises Unsigned, and the client's faults where the registry can't be asked."""
    seen = 0
    async for about, signature, content in signatures_of(remote, digest):
        seen += 1
        if verify(signature, content) and digest in about(content):
            return
        if seen >= MOST:
            break
    if seen:
        raise Unsigned(f"none of its {seen} signatures is of this key and for this image")
    raise Unsigned("it has no signature")


# What a signed content says that it is about; only asked once the signature is right.
About = Callable[[bytes], list[Digest]]


async def signatures_of(remote: Remote, digest: Digest) -> AsyncIterator[tuple[About, bytes, bytes]]:
    """(what the content is about, signature, signed content); what can't be read is passed over."""
    for layer in await tagged(remote, digest):
        signature = decoded((layer.get("annotations") or {}).get(SIGNATURE))
        content = await fetched(remote, layer)
        if signature and content is not None:
            yield simple_subjects, signature, content
    for descriptor in await remote.referrers(digest):
        if str(descriptor.get("artifactType") or "").startswith(BUNDLE):
            for envelope in await bundles(remote, descriptor):
                content = authenticated(envelope)
                for one in envelope.get("signatures") or ():
                    yield statement_subjects, decoded(one.get("sig")), content


async def tagged(remote: Remote, digest: Digest) -> list[Mapping[str, Any]]:
    try:
        manifest = await remote.manifest(f"{digest.algorithm}-{digest.encoded}.sig")
    except Refused as refusal:
        if refusal.status == 404:
            return []
        raise
    return [layer for layer in manifest.document.get("layers") or () if isinstance(layer, dict)]


async def bundles(remote: Remote, descriptor: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    manifest = await remote.manifest(Digest.parse(str(descriptor.get("digest"))))
    found: list[Mapping[str, Any]] = []
    for layer in manifest.document.get("layers") or ():
        content = await fetched(remote, layer)
        envelope = as_object(content, "the bundle").get("dsseEnvelope") if content is not None else None
        if isinstance(envelope, dict):
            found.append(envelope)
    return found


async def fetched(remote: Remote, layer: Mapping[str, Any]) -> bytes | None:
    try:
        digest, size = Digest.parse(str(layer.get("digest"))), layer.get("size")
    except ValueError:
        return None
    return await remote.document(digest, size if isinstance(size, int) else None, LARGEST)


def decoded(text: Any) -> bytes:
    try:
        return base64.b64decode(str(text or ""), validate=True)
    except binascii.Error:
        return b""


def authenticated(envelope: Mapping[str, Any]) -> bytes:
    """The bytes that a DSSE signature is of: PAE(type, payload)."""
    kind, payload = str(envelope.get("payloadType") or "").encode(), decoded(envelope.get("payload"))
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def simple_subjects(content: bytes) -> list[Digest]:
    critical = as_object(content, "the signature").get("critical") or {}
    if critical.get("type") != SIMPLE_TYPE:
        return []
    return parsed([str((critical.get("image") or {}).get("docker-manifest-digest"))])


def statement_subjects(content: bytes) -> list[Digest]:
    """From the authenticated bytes: the payload is what comes after the fourth space."""
    statement = as_object(content.split(b" ", 4)[4], "the statement")
    if statement.get("predicateType") != SIGN_TYPE:
        # of this key, but an attestation: it says something else about the image
        return []
    digests = [(subject.get("digest") or {}).items() for subject in statement.get("subject") or ()]
    return parsed([f"{algorithm}:{encoded}" for items in digests for algorithm, encoded in items])


def parsed(texts: list[str]) -> list[Digest]:
    found = []
    for text in texts:
        try:
            found.append(Digest.parse(text))
        except ValueError:
            continue
    return found
