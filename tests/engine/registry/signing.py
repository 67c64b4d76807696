"""Signatures as cosign puts them beside an image, made with keys of our own."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from tests.registries import Registry, descriptor

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
KINDS: dict[str, Callable[[], Key]] = {
    "ecdsa": lambda: ec.generate_private_key(ec.SECP256R1()),
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
}


def new_key(file: Path, kind: str = "ecdsa", *, private: Path | None = None) -> Key:
    """The private key; its public half is in the file."""
    key = KINDS[kind]()
    if private is not None:
        private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    file.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return key


def signature(key: Key, content: bytes) -> str:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        made = key.sign(content, ec.ECDSA(hashes.SHA256()))
    elif isinstance(key, rsa.RSAPrivateKey):
        made = key.sign(content, padding.PKCS1v15(), hashes.SHA256())
    else:
        made = key.sign(content)
    return base64.b64encode(made).decode()


def sign(registry: Registry, name: str, digest: str, key: Key, *, about: str = "") -> None:
    """The tag `sha256-….sig`; `about` is another digest that the signature is for."""
    said = {
        "critical": {"type": "cosign container image signature", "image": {"docker-manifest-digest": about or digest}}
    }
    content = json.dumps(said).encode()
    layer = descriptor(content, "application/vnd.dev.cosign.simplesigning.v1+json", registry, name)
    layer["annotations"] = {"dev.cosignproject.cosign/signature": signature(key, content)}
    manifest = {**registry.image(name, "signature"), "layers": [layer]}
    assert registry.push_manifest(name, f"{digest.replace(':', '-')}.sig", manifest).status == 201


def sign_by_file(address: str, name: str, digest: str, private: str) -> None:
    """As `sign`, in a process of its own: in the network where the registry is."""
    key = load_pem_private_key(Path(private).read_bytes(), None)
    assert isinstance(key, Key)
    sign(Registry("rorqual", address), name, digest, key)


def sign_with_bundle(registry: Registry, name: str, digest: str, key: Key, predicate: str) -> None:
    """A referrer that holds a Sigstore bundle."""
    algorithm, encoded = digest.split(":")
    payload = json.dumps({"subject": [{"digest": {algorithm: encoded}}], "predicateType": predicate}).encode()
    kind = b"application/vnd.in-toto+json"
    whole = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
    envelope = {
        "payloadType": kind.decode(),
        "payload": base64.b64encode(payload).decode(),
        "signatures": [{"sig": signature(key, whole)}],
    }
    content = json.dumps({"dsseEnvelope": envelope}).encode()
    media_type = "application/vnd.dev.sigstore.bundle.v0.3+json"
    subject: dict[str, Any] = {
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": digest,
        "size": len(registry.ask("GET", f"/v2/{name}/manifests/{digest}").body),
    }
    layers = [descriptor(content, media_type, registry, name)]
    manifest = registry.image(name, "bundle", artifactType=media_type, subject=subject) | {"layers": layers}
    answer = registry.push_manifest(name, "bundle", manifest)
    assert answer.status == 201, answer
