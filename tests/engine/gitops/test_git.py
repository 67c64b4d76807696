"""Git sources against real repositories: what is fetched, what is checked out, and every way in which it goes wrong."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from engine.gitops.places import Places
from engine.gitops.settings.models import GitOrigin, Policy, ProjectSettings, Signatures, SourceSettings
from engine.gitops.sources.faults import SourceFault, Untrusted
from engine.gitops.sources.objects import Objects
from engine.gitops.sources.source import GitSource, make_source
from tests.engine.gitops.repository import Repository, make_repository

pytestmark = pytest.mark.anyio
COMPOSE = "services: {web: {image: x}}\n"


def run(*words: str) -> bytes:
    return subprocess.run(words, check=True, capture_output=True).stdout


async def opened(places: Places, address: Path | str, **more: object) -> GitSource:
    origin = replace(GitOrigin(str(address), branch="main"), **more)  # type: ignore[arg-type]
    web = ProjectSettings("web", "web", Policy())
    source = make_source(SourceSettings("s", origin, projects=(web,), timeout_seconds=60.0), places)
    assert isinstance(source, GitSource)
    await source.open()
    return source


async def test_a_look_gives_the_files_of_the_newest_commit_and_what_changed(
    repository: Repository, places: Places
) -> None:
    first = repository.commit({"web/compose.yaml": COMPOSE, "README": "1"})
    source = await opened(places, repository.bare)
    tree = await source.look()
    assert (tree.revision, tree.changed, tree.subject) == (first, None, "a change")
    assert (tree.folder / "web/compose.yaml").read_text() == COMPOSE
    repository.commit({"README": "2"})
    tree = await source.look()
    assert (tree.folder / "README").read_text() == "2"
    assert tree.changed == frozenset({"README"}) and not tree.touches(source.settings.projects[0])
    assert (await source.look()).changed == frozenset()


async def test_an_older_revision_stays_as_it_was(repository: Repository, places: Places) -> None:
    first = repository.commit({"a": "1"})
    source = await opened(places, repository.bare)
    await source.look()
    repository.commit({"a": "2"})
    await source.look()
    assert ((await source.at(first)).folder / "a").read_text() == "1"


async def test_only_what_is_kept_stays_on_disk(repository: Repository, places: Places) -> None:
    first = repository.commit({"a": "1"})
    source = await opened(places, repository.bare)
    await source.look()
    second = repository.commit({"a": "2"})
    await source.look()
    source.keep(set())
    assert [path.name for path in source.checkouts.folder.glob("*.json")] == [f"{second}.json"]
    assert not (source.checkouts.folder / first).exists()
    assert ((await source.at(first)).folder / "a").read_text() == "1", "it can be fetched again"


async def test_a_rewritten_history_is_followed(repository: Repository, places: Places) -> None:
    repository.commit({"a": "1"})
    repository.commit({"a": "2"})
    source = await opened(places, repository.bare)
    await source.look()
    repository.git("reset", "-q", "--hard", "HEAD~1")
    rewritten = repository.commit({"a": "3"}, "rewritten")
    tree = await source.look()
    assert (tree.revision, (tree.folder / "a").read_text()) == (rewritten, "3")


async def test_history_is_not_fetched(repository: Repository, places: Places) -> None:
    for number in range(5):
        repository.commit({"a": str(number)})
    source = await opened(places, repository.bare)
    await source.look()
    assert await source.mirror.git("rev-list", "--count", "refs/rorqual/tip", at=source.mirror.place) == b"1\n"


async def test_with_only_the_rest_of_the_tree_is_neither_fetched_nor_there(
    repository: Repository, places: Places
) -> None:
    repository.git("config", "uploadpack.allowFilter", "true", folder=repository.bare)
    repository.commit({"web/compose.yaml": COMPOSE, "media/film": "large" * 1000})
    large = repository.git("rev-parse", "HEAD:media/film")
    source = await opened(places, repository.bare, only=("web",))
    tree = await source.look()
    assert sorted(path.name for path in tree.folder.iterdir()) == ["web"]
    found = await source.mirror.git("cat-file", "--batch-all-objects", "--batch-check", at=source.mirror.place)
    assert large not in found.decode()


async def test_submodules_are_checked_out_at_their_commit(
    repository: Repository, places: Places, tmp_path: Path
) -> None:
    other = make_repository(tmp_path / "o")
    other.commit({"conf/site.conf": "one"})
    repository.commit({"a": "1"})
    repository.git("submodule", "add", "-q", str(other.bare), "parts/other")
    repository.commit({}, "with a submodule")
    other.commit({"conf/site.conf": "two"})
    source = await opened(places, repository.bare)
    tree = await source.look()
    assert (tree.folder / "parts/other/conf/site.conf").read_text() == "one"
    assert tree.checkout is not None
    known = await tree.checkout.identities(source.mirror.git, ["parts/other/conf", "a", "parts/none", "."])
    assert known["parts/other/conf"] == other.git("rev-parse", "HEAD~1:conf")
    assert (known["a"], known["parts/none"]) == (repository.git("rev-parse", "HEAD:a"), None)
    assert known["."] == repository.git("rev-parse", "HEAD^{tree}")


async def test_the_highest_tag_of_a_pattern_wins(repository: Repository, places: Places) -> None:
    repository.commit({"a": "1"})
    repository.git("tag", "-a", "v1.9", "-m", "nine")
    ten = repository.commit({"a": "2"})
    repository.git("tag", "-a", "v1.10", "-m", "ten")
    repository.commit({"a": "3"})
    repository.git("push", "-q", "--tags", "origin")
    source = await opened(places, repository.bare, branch=None, tag="v1.*")
    assert (await source.look()).revision == ten


async def test_a_candidate_comes_before_its_release(repository: Repository, places: Places) -> None:
    source = await opened(places, repository.bare, branch=None, tag="v*")
    for tag in ("v2.0", "v2.0-rc2", "v2.0-rc10", "v2.0.1-rc1", "v2.0.1"):
        commit = repository.commit({"a": tag})
        repository.git("tag", tag)
        repository.git("push", "-q", "--tags", "origin")
        if tag in {"v2.0", "v2.0.1-rc1", "v2.0.1"}:
            highest = commit
        assert (await source.look()).revision == highest, tag
    repository.git("push", "-q", "origin", ":refs/tags/v2.0.1", ":refs/tags/v2.0.1-rc1")
    assert (await source.look()).revision != highest, "a tag that was taken back is no tag"


async def test_a_branch_that_is_deleted_is_told_and_what_was_fetched_stays(
    repository: Repository, places: Places
) -> None:
    first = repository.commit({"a": "1"})
    repository.git("push", "-q", "origin", "HEAD:other")
    repository.git("symbolic-ref", "HEAD", "refs/heads/other", folder=repository.bare)
    source = await opened(places, repository.bare)
    folder = (await source.look()).folder
    repository.git("push", "-q", "origin", ":main")
    with pytest.raises(SourceFault, match='has no branch "main"'):
        await source.look()
    assert (await source.at(first)).folder == folder and (folder / "a").read_text() == "1"
    again = repository.commit({"a": "2"})
    assert (await source.look()).revision == again


async def test_a_submodule_that_is_gone_is_told_by_its_address_and_got_over(
    repository: Repository, places: Places, tmp_path: Path
) -> None:
    other = make_repository(tmp_path / "other")
    other.commit({"conf": "one"})
    repository.git("submodule", "add", "-q", str(other.bare), "parts")
    first = repository.commit({"a": "1"})
    source = await opened(places, repository.bare)
    assert (await source.look()).revision == first
    other.commit({"conf": "two"})
    repository.git("submodule", "update", "-q", "--remote", "parts")
    second = repository.commit({"a": "2"})
    away = other.bare.with_name("away.git")
    other.bare.rename(away)
    with pytest.raises(SourceFault, match=r"submodule parts.*other/origin\.git"):
        await source.look()
    assert (await source.at(first)).folder.is_dir()
    away.rename(other.bare)
    tree = await source.look()
    assert (tree.revision, (tree.folder / "parts/conf").read_text()) == (second, "two")


async def test_one_commit_can_be_named(repository: Repository, places: Places) -> None:
    first = repository.commit({"a": "1"})
    repository.commit({"a": "2"})
    source = await opened(places, repository.bare, branch=None, commit=first)
    assert ((await source.look()).folder / "a").read_text() == "1"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"branch": "mian"}, 'has no branch "mian"'),
        ({"url": "/nowhere/a.git"}, "does not appear to be a git repository"),
        ({"url": "https://127.0.0.1:1/a.git"}, "Failed to connect"),
        ({"url": "ext::sh -c true"}, "transport 'ext' not allowed"),
    ],
)
async def test_a_source_that_cannot_be_had_says_why(
    repository: Repository, places: Places, change: dict[str, str], told: str
) -> None:
    repository.commit({"a": "1"})
    source = await opened(places, repository.bare, **change)
    with pytest.raises(SourceFault, match=told):
        await source.look()


async def test_what_a_killed_git_left_is_no_hindrance(repository: Repository, places: Places) -> None:
    repository.commit({"a": "1"})
    source = await opened(places, repository.bare)
    await source.look()
    repository.commit({"a": "2"})
    for name in ("shallow.lock", "config.lock", "HEAD.lock", "refs/rorqual/tip.lock"):
        (source.mirror.place / name).write_text("")
    (source.checkouts.folder / ".new-abc").mkdir()
    again = await opened(places, repository.bare)
    assert ((await again.look()).folder / "a").read_text() == "2"
    assert not list(again.checkouts.folder.glob(".new-*"))
    repository.commit({"a": "3"})
    (source.mirror.place / "refs/rorqual/tip.lock").write_text("")
    assert ((await again.look()).folder / "a").read_text() == "3", "a lock that comes while it runs"


@pytest.mark.parametrize("victim", ["HEAD", "config", "objects"])
async def test_a_broken_mirror_is_made_anew(repository: Repository, places: Places, victim: str) -> None:
    repository.commit({"a": "1"})
    source = await opened(places, repository.bare)
    await source.look()
    repository.commit({"a": "2"})
    broken = source.mirror.place / victim
    if broken.is_dir():
        for file in [path for path in broken.rglob("*") if path.is_file()]:
            file.unlink()
            file.write_bytes(b"")
    else:
        broken.write_text("nonsense")
    again = await opened(places, repository.bare)
    assert ((await again.look()).folder / "a").read_text() == "2"


async def test_a_commit_without_a_trusted_signature_is_refused(
    repository: Repository, places: Places, tmp_path: Path
) -> None:
    for name in ("good", "bad"):
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name))
    signers = tmp_path / "signers"
    signers.write_text(f"a@example.com {(tmp_path / 'good.pub').read_text()}")
    trusted = Signatures(allowed_signers=signers)
    repository.git("config", "gpg.format", "ssh")
    repository.commit({"a": "0"})
    source = await opened(places, repository.bare, signatures=trusted)
    with pytest.raises(Untrusted, match="it is not signed"):
        await source.look()
    repository.git("config", "user.signingkey", str(tmp_path / "bad"))
    repository.commit({"a": "1"}, "by a stranger", "-S")
    with pytest.raises(Untrusted, match="a key that is not among the allowed signers"):
        await source.look()
    repository.git("config", "user.signingkey", str(tmp_path / "good"))
    signed = repository.commit({"a": "2"}, "by a friend", "-S")
    assert (await source.look()).revision == signed
    # nor may anybody go back to a commit that could not have come in
    with pytest.raises(Untrusted, match="a key that is not among the allowed signers"):
        await source.at(repository.git("rev-parse", "HEAD~1"))


async def test_a_keyring_decides_whose_openpgp_signature_counts(
    repository: Repository, places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # a short path: gpg's agent listens there
    home = Path(tempfile.mkdtemp(prefix="rq-", dir="/tmp"))
    monkeypatch.setenv("GNUPGHOME", str(home))
    try:
        run("gpg", "--batch", "--quiet", "--passphrase", "", "--quick-gen-key", "A <a@example.com>", "ed25519")
        keyring = tmp_path / "keyring.asc"
        keyring.write_bytes(run("gpg", "--export", "--armor"))
        repository.commit({"a": "1"}, "unsigned")
        source = await opened(places, repository.bare, signatures=Signatures(keyring=keyring))
        with pytest.raises(Untrusted):
            await source.look()
        repository.git("config", "user.signingkey", "a@example.com")
        signed = repository.commit({"a": "2"}, "signed", "-S")
        assert (await source.look()).revision == signed
    finally:
        run("gpgconf", "--homedir", str(home), "--kill", "all")
        shutil.rmtree(home, ignore_errors=True)


async def test_a_pointer_of_git_lfs_is_no_content(repository: Repository, places: Places) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 3\n"
    repository.commit({"site/film": pointer})
    source = await opened(places, repository.bare)
    tree = await source.look()
    with pytest.raises(SourceFault, match="film is kept in Git LFS"):
        places.objects.put("1234", tree.folder / "site")


async def test_a_source_with_lfs_says_that_git_lfs_is_missing(
    repository: Repository, places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.commit({"a": "1"})
    (tmp_path / "bin").mkdir()
    for name in ("git", "sh"):
        (tmp_path / "bin" / name).symlink_to(str(shutil.which(name)))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(SourceFault, match="git-lfs is not installed, and lfs: true needs it"):
        await opened(places, repository.bare, lfs=True)
    assert (await (await opened(places, repository.bare)).look()).folder.is_dir()


@pytest.mark.skipif(shutil.which("git-lfs") is None, reason="needs git-lfs; `make test` installs it")
async def test_with_lfs_the_content_is_fetched(repository: Repository, places: Places) -> None:
    repository.git("config", "remote.origin.url", f"file://{repository.bare}")
    repository.git("lfs", "install", "--local")
    repository.git("lfs", "track", "*.film")
    repository.commit({"site/one.film": "the content"})
    repository.git("lfs", "push", "--all", "origin")
    source = await opened(places, repository.bare, lfs=True)
    tree = await source.look()
    assert (tree.folder / "site/one.film").read_text() == "the content"
    assert (places.objects.put("1234", tree.folder / "site") / "one.film").read_text() == "the content"


def test_an_object_lies_at_one_path_whatever_the_commit(tmp_path: Path) -> None:
    objects = Objects(tmp_path / "objects")
    objects.sweep()
    for commit in ("a", "b"):
        (tmp_path / commit / "site").mkdir(parents=True)
        (tmp_path / commit / "site" / "index.html").write_text("hello")
    one, other = (objects.put("1234", tmp_path / commit / "site") for commit in ("a", "b"))
    assert one == other and (one / "index.html").read_text() == "hello"
    doomed = objects.keep(set())
    assert not one.exists() and [path.name.startswith(".gone-1234") for path in doomed] == [True]
    objects.sweep()
    assert list(objects.folder.iterdir()) == []


def test_an_object_that_many_need_at_once_is_there_once_and_whole(tmp_path: Path) -> None:
    objects = Objects(tmp_path / "objects")
    objects.sweep()
    for number in range(200):
        (tmp_path / "site" / str(number)).mkdir(parents=True)
        (tmp_path / "site" / str(number) / "page").write_text(str(number))
    with ThreadPoolExecutor(8) as pool:
        places = set(pool.map(lambda _: objects.put("1234", tmp_path / "site"), range(8)))
    (place,) = places
    assert sorted(int(path.read_text()) for path in place.rglob("page")) == list(range(200))
    assert [path.name for path in objects.folder.iterdir()] == ["1234"]
