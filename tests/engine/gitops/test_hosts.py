"""Sources behind https with a password and behind ssh with a key, from files; and what is told where they don't fit."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from engine.gitops.places import Places
from engine.gitops.settings.models import Credentials
from engine.gitops.sources.faults import SourceFault
from engine.gitops.sources.git import web_host
from tests.engine.gitops.githosts import PASSWORD, USER, run, ssh_host, tls_host
from tests.engine.gitops.repository import Repository, make_repository
from tests.engine.gitops.test_git import opened

pytestmark = pytest.mark.anyio
# A large file of many; `make chaos` takes a gigabyte.
PIECES = 64 if os.environ.get("RORQUAL_CHAOS") else 12
PIECE_BYTES = (16 if os.environ.get("RORQUAL_CHAOS") else 2) << 20


def secret(file: Path, text: str) -> Path:
    file.write_text(text)
    file.chmod(0o600)
    return file


async def test_https_with_a_password_from_a_file(repository: Repository, places: Places, tmp_path: Path) -> None:
    first = repository.commit({"a": "1"})
    password = secret(tmp_path / "password", f"{PASSWORD}\n")
    with tls_host(tmp_path, repository.bare.parent) as host:
        url = f"{host.url}/{repository.bare.name}"
        good = Credentials(USER, password, ca_file=host.ca)
        source = await opened(places, url, credentials=good)
        assert (await source.look()).revision == first
        second = repository.commit({"a": "2"})
        assert (await source.look()).revision == second
        # the very next look has the new one, without a restart
        secret(password, "another")
        with pytest.raises(SourceFault, match="Authentication failed") as wrong:
            await source.look()
        assert PASSWORD not in wrong.value.message and "another" not in wrong.value.message
        secret(password, PASSWORD)
        third = repository.commit({"a": "3"})
        assert (await source.look()).revision == third
        assert host.asked[True] >= 3
        for credentials, told in (
            (replace(good, ca_file=None), "certificate"),
            (Credentials(ca_file=host.ca), "could not read Username|terminal prompts disabled"),
            (replace(good, password_file=tmp_path / "nowhere"), "can't read the secret .*nowhere: No such file"),
        ):
            other = Places(tmp_path / f"state-{told[:5]}")
            other.prepare()
            with pytest.raises(SourceFault, match=told):
                await (await opened(other, url, credentials=credentials)).look()
    assert holding(tmp_path, PASSWORD) == [], "no password in any file of the agent's"


@pytest.mark.skipif(shutil.which("git-lfs") is None, reason="needs git-lfs; `make test` installs it")
async def test_files_of_git_lfs_come_with_the_same_password(
    repository: Repository, places: Places, tmp_path: Path
) -> None:
    repository.git("config", "remote.origin.url", f"file://{repository.bare}")
    repository.git("lfs", "install", "--local")
    repository.git("lfs", "track", "*.film")
    repository.commit({"site/one.film": "the content"})
    repository.git("lfs", "push", "--all", "origin")
    password = secret(tmp_path / "password", f"{PASSWORD}\n")
    with tls_host(tmp_path, repository.bare.parent) as host:
        url = f"{host.url}/{repository.bare.name}"
        credentials = Credentials(USER, password, ca_file=host.ca)
        tree = await (await opened(places, url, credentials=credentials, lfs=True)).look()
        assert (tree.folder / "site/one.film").read_text() == "the content"
        # without lfs: true the pointer is there, and is no content to mount
        other = Places(tmp_path / "state-pointers")
        other.prepare()
        tree = await (await opened(other, url, credentials=credentials)).look()
        with pytest.raises(SourceFault, match=r"one\.film is kept in Git LFS .*set lfs: true"):
            other.objects.put("1234", tree.folder / "site")
        # one that the server doesn't have is told, and nothing is taken for the content
        shutil.rmtree(repository.bare / "lfs")
        broken = Places(tmp_path / "state-gone")
        broken.prepare()
        with pytest.raises(SourceFault, match=r"git checkout: .*(smudge|one\.film|404|Not [Ff]ound)"):
            await (await opened(broken, url, credentials=credentials, lfs=True)).look()
    assert holding(tmp_path, PASSWORD) == [], "no password in any file of the agent's"


async def test_a_submodule_of_another_host_gets_no_password(
    repository: Repository, places: Places, tmp_path: Path
) -> None:
    module = make_repository(tmp_path / "module")
    commit = module.commit({"lib": "1"})
    shutil.copytree(module.bare, repository.bare.parent / "module.git")
    for name in ("own", "strange"):
        (tmp_path / name).mkdir()
    password, both = secret(tmp_path / "password", PASSWORD), tmp_path / "both.crt"
    with (
        tls_host(tmp_path / "own", repository.bare.parent) as host,
        tls_host(tmp_path / "strange", repository.bare.parent) as stranger,
    ):
        both.write_text(host.ca.read_text() + stranger.ca.read_text())
        credentials = Credentials(USER, password, ca_file=both)
        for home, url in ((host, f"{host.url}/module.git"), (stranger, f"{stranger.url}/module.git")):
            repository.git("update-index", "--add", "--cacheinfo", f"160000,{commit},lib")
            (repository.work / "lib").mkdir(exist_ok=True)
            repository.commit({".gitmodules": f'[submodule "lib"]\n\tpath = lib\n\turl = {url}\n'})
            source = await opened(places, f"{host.url}/{repository.bare.name}", credentials=credentials)
            if home is host:
                assert ((await source.look()).folder / "lib/lib").read_text() == "1"
                continue
            with pytest.raises(
                SourceFault, match=r"submodule lib .*(could not read Username|terminal prompts disabled)"
            ):
                await source.look()
        assert stranger.asked[True] == 0 and stranger.asked[False] > 0


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("https://me@git.example:8443/a.git", "https://git.example:8443"),
        ("http://[::1]:80/a.git", "http://[::1]:80"),
        ("git@git.example:team/a.git", "https://git.example"),
        ("ssh://git@git.example:22/a.git", "https://git.example"),
        ("/srv/a.git", ""),
        ("file:///srv/a.git", ""),
    ],
)
async def test_the_host_that_gets_a_password_is_the_sources_own(address: str, host: str) -> None:
    assert web_host(address) == host


def holding(folder: Path, text: str) -> list[Path]:
    return [path for path in folder.glob("state*/**/*") if path.is_file() and text.encode() in path.read_bytes()]


def commands() -> list[bytes]:
    """Command line and environment of every process of git that there is just now."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = file.read_bytes()
            if b"git" in words:
                found.append(words + file.with_name("environ").read_bytes())
    return found


async def test_no_password_is_in_any_command_line(repository: Repository, places: Places, tmp_path: Path) -> None:
    repository.commit({"a": "1"})
    with tls_host(tmp_path, repository.bare.parent) as host:
        credentials = Credentials(USER, secret(tmp_path / "password", PASSWORD), ca_file=host.ca)
        source = await opened(places, f"{host.url}/{repository.bare.name}", credentials=credentials)
        seen: list[bytes] = []

        async def spy() -> None:
            while True:
                seen.extend(commands())
                await anyio.sleep(0.001)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(spy)
            await source.look()
            tasks.cancel_scope.cancel()
    assert any(b"ls-remote" in each or b"fetch" in each for each in seen)
    assert not [each for each in seen if PASSWORD.encode() in each]


@pytest.mark.root
async def test_ssh_with_a_key_and_the_hosts_own_from_files(
    repository: Repository, places: Places, tmp_path: Path
) -> None:
    first = repository.commit({"a": "1"})
    with ssh_host(tmp_path) as host:
        url = f"ssh://root@127.0.0.1:{host.port}{repository.bare}"
        good = Credentials(ssh_key_file=host.key, known_hosts_file=host.known)
        source = await opened(places, url, credentials=good)
        assert (await source.look()).revision == first
        stranger = tmp_path / "stranger"
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(stranger))
        nobody = secret(tmp_path / "nobody", "")
        for credentials, told in (
            (replace(good, ssh_key_file=stranger), "Permission denied"),
            (replace(good, known_hosts_file=nobody), "Host key verification failed"),
        ):
            other = Places(tmp_path / f"state-{told[:4]}")
            other.prepare()
            with pytest.raises(SourceFault, match=told):
                await (await opened(other, url, credentials=credentials)).look()


async def test_of_a_large_repository_only_what_is_needed_comes(repository: Repository, places: Places) -> None:
    """Each commit has another large file in the place of the last: a whole clone would have them all."""
    repository.git("config", "core.compression", "0")
    repository.git("config", "uploadpack.allowFilter", "true", folder=repository.bare)
    for number in range(PIECES):
        (repository.work / "media").mkdir(exist_ok=True)
        (repository.work / "media" / "film").write_bytes(os.urandom(PIECE_BYTES))
        head = repository.commit({"web/compose.yaml": "services: {}\n", "n": str(number)})
    whole = size(repository.bare)
    assert whole > PIECES * PIECE_BYTES
    source = await opened(places, repository.bare)
    tree = await source.look()
    assert tree.revision == head and (tree.folder / "media/film").stat().st_size == PIECE_BYTES
    assert size(source.mirror.place) < 2 * PIECE_BYTES, "shallow: the newest film, and no other"
    for _ in range(2):
        (repository.work / "media" / "film").write_bytes(os.urandom(PIECE_BYTES))
        repository.commit({})
        await source.look()
    assert size(source.mirror.place) < 4 * PIECE_BYTES
    other = Places(places.root.with_name("partial"))
    other.prepare()
    partial = await opened(other, repository.bare, only=("web",))
    assert [path.name for path in (await partial.look()).folder.iterdir()] == ["web"]
    assert size(partial.mirror.place) < 1 << 20, "partial: no film at all"


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
