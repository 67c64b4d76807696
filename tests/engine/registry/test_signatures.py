"""An image's signature is found where cosign puts it, and only the key's own for this very image counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.client.errors import EngineError, InvalidArgument, NotFound, SystemFailure
from engine.gitops.signed import signed_digest
from tests.engine.registry.signing import KINDS, new_key, sign, sign_with_bundle
from tests.registries import Registry

SIGNED = "https://sigstore.dev/cosign/sign/v1"

pytestmark = pytest.mark.anyio


@pytest.fixture
def digest(rorqual_registry: Registry, name: str) -> str:
    answer = rorqual_registry.push_manifest(name, "1", rorqual_registry.image(name, "the image"))
    return answer.headers["docker-content-digest"]


@pytest.mark.parametrize("kind", KINDS)
async def test_the_keys_own_signature_is_taken(
    rorqual_registry: Registry, name: str, digest: str, tmp_path: Path, kind: str
) -> None:
    key = new_key(tmp_path / "key.pub", kind)
    reference = f"{rorqual_registry.address}/{name}"
    with pytest.raises(SystemFailure, match=f"{digest} is not signed with .*key.pub: it has no signature"):
        await signed_digest(f"{reference}:1", str(tmp_path / "key.pub"), {})
    sign(rorqual_registry, name, digest, key)
    for spelled in (f"{reference}:1", f"{reference}@{digest}"):
        assert await signed_digest(spelled, str(tmp_path / "key.pub"), {}) == digest


async def test_another_keys_signature_or_one_for_another_image_is_none(
    rorqual_registry: Registry, name: str, digest: str, tmp_path: Path
) -> None:
    key, other = new_key(tmp_path / "key.pub"), new_key(tmp_path / "other.pub")
    other_image = rorqual_registry.push_manifest(name, "2", rorqual_registry.image(name, "another"))
    for signer, about in ((other, ""), (key, other_image.headers["docker-content-digest"])):
        sign(rorqual_registry, name, digest, signer, about=about)
        with pytest.raises(SystemFailure, match="none of its 1 signatures is of this key and for this image"):
            await signed_digest(f"{rorqual_registry.address}/{name}:1", str(tmp_path / "key.pub"), {})


async def test_a_bundle_among_the_referrers_is_taken_and_an_attestation_is_not(
    rorqual_registry: Registry, name: str, digest: str, tmp_path: Path
) -> None:
    key, reference = new_key(tmp_path / "key.pub"), f"{rorqual_registry.address}/{name}:1"
    sign_with_bundle(rorqual_registry, name, digest, key, "https://spdx.dev/Document")
    with pytest.raises(SystemFailure, match="none of its 1 signatures"):
        await signed_digest(reference, str(tmp_path / "key.pub"), {})
    sign_with_bundle(rorqual_registry, name, digest, key, SIGNED)
    assert await signed_digest(reference, str(tmp_path / "key.pub"), {}) == digest


async def test_what_can_not_be_asked_is_said(
    rorqual_registry: Registry, name: str, digest: str, tmp_path: Path
) -> None:
    new_key(tmp_path / "key.pub")
    (tmp_path / "none.pub").write_text("no key")
    reference = f"{rorqual_registry.address}/{name}"
    wrong: list[tuple[str, str, type[EngineError], str]] = [
        (f"{reference}:1", "none.pub", InvalidArgument, "none.pub is no public key in PEM form"),
        (f"{reference}:1", "missing.pub", InvalidArgument, "missing.pub: No such file"),
        (f"{reference}:3", "key.pub", NotFound, "can't be looked for: manifest unknown"),
    ]
    for spelled, file, kind, words in wrong:
        with pytest.raises(kind, match=words):
            await signed_digest(spelled, str(tmp_path / file), {})
