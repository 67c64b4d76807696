"""The client against real servers: through proxies, over lines that break, with certificates of one's own."""

from __future__ import annotations

import hashlib
import os
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from engine.credentials.config import Credentials
from engine.oci.digest import Digest
from engine.oci.reference import Reference
from engine.registry.client.faults import Refused, Unreachable
from engine.registry.client.policy import Policy
from engine.registry.client.registries import Registries
from engine.registry.client.remote import Remote
from tests.registries import Registry, running_debian_registry, running_registry
from tests.relays import forward_proxy, lossy, tls_in_front
from tests.tokens import ISSUER, SERVICE, auth_config, token_server

pytestmark = pytest.mark.anyio

# A name that no resolver knows: only the proxy does.
FAR = "registry.test:5000"


@asynccontextmanager
async def remote(
    address: str, name: str, policy: Policy | None = None, credentials: Credentials | None = None
) -> AsyncIterator[Remote]:
    registries = Registries(policy or Policy())
    try:
        yield registries.remote(Reference.parse(f"{address}/{name}"), credentials)
    finally:
        await registries.aclose()


async def pulled(remote: Remote, digest: str) -> bytes:
    return b"".join([piece async for piece in remote.blob(Digest.parse(digest))])


def proxied(proxy: str, **more: str) -> dict[str, str]:
    return {"HTTP_PROXY": f"http://{proxy}", "HTTPS_PROXY": f"http://{proxy}", **more}


# --- proxies
async def test_plain_http_goes_through_the_proxy_that_the_environment_names(registry: Registry, name: str) -> None:
    digest = registry.push_blob(name, b"far away")
    with forward_proxy({FAR: registry.address}) as proxy:
        environment = proxied(f"me:secret@{proxy.address}")
        # https is tried first, and this proxy leads to no TLS
        async with remote(FAR, name, Policy(insecure=(FAR,), environment=environment)) as far:
            assert await pulled(far, digest) == b"far away"
        assert any(head.startswith(f"GET http://{FAR}/v2/{name}/blobs/") for head in proxy.heads)
        assert all("proxy-authorization: basic bwu6c2vjcmv0" in head.lower() for head in proxy.heads)


async def test_no_proxy_and_loopback_are_asked_directly(rorqual_registry: Registry, name: str) -> None:
    digest = rorqual_registry.push_blob(name, b"near")
    with forward_proxy({}) as proxy:
        async with remote(rorqual_registry.address, name, Policy(environment=proxied(proxy.address))) as near:
            assert await pulled(near, digest) == b"near"
        unproxied = Policy(environment=proxied(proxy.address, NO_PROXY="other.example, .test"))
        async with remote(FAR, name, unproxied) as far:
            with pytest.raises(Unreachable, match="no such host"):
                await pulled(far, digest)
        assert proxy.heads == []


# --- certificates
@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ca.crt, and server.pem for registry.test and client.cert with client.key signed by it."""
    folder = tmp_path_factory.mktemp("authority")

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=folder)

    new = ("-newkey", "rsa:2048", "-nodes")
    openssl("req", "-x509", *new, "-days", "2", "-subj", "/CN=Test CA", "-keyout", "ca.key", "-out", "ca.crt")
    (folder / "names").write_text("subjectAltName=DNS:registry.test")
    for who in ("server", "client"):
        openssl("req", *new, "-subj", f"/CN={who}", "-keyout", f"{who}.key", "-out", f"{who}.csr")
        sign = ("x509", "-req", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2")
        openssl(*sign, "-in", f"{who}.csr", "-extfile", "names", "-out", f"{who}.cert")
    return folder


@pytest.fixture(params=[False, True], ids=["server", "both"])
def secured(
    request: pytest.FixtureRequest, rorqual_registry: Registry, authority: Path
) -> Iterator[tuple[Mapping[str, str], bool]]:
    """(the environment with a proxy that leads to TLS in front of the registry, whether that wants a certificate)."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(authority / "server.cert", authority / "server.key")
    if request.param:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(authority / "ca.crt")
    with tls_in_front(rorqual_registry.address, context) as front, forward_proxy({FAR: front.address}) as proxy:
        yield proxied(proxy.address), request.param


async def test_certs_d_says_whom_to_trust_and_who_we_are(
    secured: tuple[Mapping[str, str], bool], rorqual_registry: Registry, name: str, authority: Path, tmp_path: Path
) -> None:
    environment, both = secured
    digest = rorqual_registry.push_blob(name, b"over TLS")
    policy = Policy(certificates=(tmp_path / "certs.d",), environment=environment)
    folder = tmp_path / "certs.d" / FAR
    folder.mkdir(parents=True)
    async with remote(FAR, name, policy) as far:
        with pytest.raises(Unreachable, match="certificate is not trusted"):
            await pulled(far, digest)
    (folder / "ca.crt").write_bytes((authority / "ca.crt").read_bytes())
    if both:
        async with remote(FAR, name, policy) as far:
            with pytest.raises(Unreachable):
                await pulled(far, digest)
        for part in ("client.cert", "client.key"):
            (folder / part).write_bytes((authority / part).read_bytes())
    async with remote(FAR, name, policy) as far:
        assert await pulled(far, digest) == b"over TLS"


# --- lines that break
async def test_a_blob_is_whole_however_often_the_line_breaks(registry: Registry, name: str) -> None:
    content = os.urandom(3 << 20)
    digest = registry.push_blob(name, content)
    with lossy(registry.address, cuts=6, after=400_000) as line:
        async with remote(line.address, name) as far:
            assert hashlib.sha256(await pulled(far, digest)).digest() == hashlib.sha256(content).digest()
        assert line.cuts == 6


# --- what a registry's API has besides pulls and pushes
async def test_a_blob_is_mounted_from_another_repository(registry: Registry, name: str) -> None:
    digest = Digest.parse(registry.push_blob(name, b"shared"))
    async with remote(registry.address, f"{name}-other") as other:
        assert await other.has_blob(digest) is None
        assert await other.mount(digest, name)
        assert await other.has_blob(digest) == 6
        assert not await other.mount(Digest.of(b"nowhere"), name)


async def test_referrers_are_found_by_the_api_or_by_the_tag_of_old(registry: Registry, name: str) -> None:
    kind = "application/vnd.oci.image.manifest.v1+json"
    about = registry.push_manifest(name, "1", registry.image(name)).headers["docker-content-digest"]
    subject = {"mediaType": kind, "digest": about, "size": 1}
    said = registry.image(name, "about it", artifactType="application/x.note", subject=subject)
    digest = registry.push_manifest(name, "note", said).headers["docker-content-digest"]
    if registry.kind == "debian":
        found = {"mediaType": kind, "digest": digest, "size": 1, "artifactType": "application/x.note"}
        index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [found]}
        assert registry.push_manifest(name, about.replace(":", "-"), index).status == 201
    async with remote(registry.address, name) as asked:
        for kinds in ("", "application/x.note"):
            assert [one["digest"] for one in await asked.referrers(Digest.parse(about), kinds)] == [digest]
        assert await asked.referrers(Digest.parse(about), "application/x.other") == []
        assert await asked.referrers(Digest.of(b"nothing")) == []


async def test_a_manifest_is_deleted_with_its_tags(registry: Registry, name: str) -> None:
    digest = registry.push_manifest(name, "1", registry.image(name)).headers["docker-content-digest"]
    async with remote(registry.address, name) as asked:
        assert (await asked.manifest("1")).digest == Digest.parse(digest)
        await asked.delete(Digest.parse(digest))
        with pytest.raises(Refused, match="manifest unknown"):
            await asked.manifest("1")


# --- tokens
@asynccontextmanager
async def trusting(kind: str, url: str, certificate: Path, root: Path) -> AsyncIterator[Registry]:
    """Each registry, sending its clients to the token server."""
    ours = (f"--token-realm={url}", f"--token-service={SERVICE}", f"--token-issuer={ISSUER}")
    with (
        running_registry(root, *ours, f"--token-key={certificate}")
        if kind == "rorqual"
        else running_debian_registry(root, auth_config(url, certificate))
    ) as registry:
        yield registry


@pytest.mark.parametrize("kind", ["rorqual", "debian"])
async def test_an_identity_token_gets_tokens_for_each_scope(authority: Path, tmp_path: Path, kind: str) -> None:
    with token_server(authority / "ca.key", authority / "ca.crt", "identity-1") as (url, forms):
        async with trusting(kind, url, authority / "ca.crt", tmp_path) as registry:
            identity: Credentials = {"identitytoken": "identity-1"}
            async with remote(registry.address, "shop/web", credentials=identity) as web:
                digest = await web.put_blob(b"pushed")
                assert await pulled(web, str(digest)) == b"pushed"
            scopes = {form["scope"][0] for form in forms}
            assert scopes == {"repository:shop/web:pull,push", "repository:shop/web:pull"}
            for wrong in (Credentials(identitytoken="other"), Credentials(username="me", password="x"), None):
                async with remote(registry.address, "shop/web", credentials=wrong) as web:
                    with pytest.raises(Refused, match="not you"):
                        await pulled(web, str(digest))


@pytest.mark.parametrize("kind", ["rorqual", "debian"])
async def test_a_token_of_another_servers_making_is_refused(authority: Path, tmp_path: Path, kind: str) -> None:
    """The server's key is another than the one that the registry trusts."""
    with token_server(authority / "server.key", authority / "server.cert", "identity-1") as (url, _):
        async with trusting(kind, url, authority / "client.cert", tmp_path) as registry:
            identity: Credentials = {"identitytoken": "identity-1"}
            async with remote(registry.address, "shop/web", credentials=identity) as web:
                with pytest.raises(Refused):
                    await web.put_blob(b"pushed")
