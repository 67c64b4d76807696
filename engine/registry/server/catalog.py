"""Which repository has what: blobs, manifests and tags by name, all in memory, each change recorded as it is made.

A blob or manifest is in a repository by a record; its bytes lie once in the blob store. Order: bytes first, then the
record; and the other way round on removal: whenever the process is killed, what is recorded is whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from engine.oci.digest import Digest
from engine.registry.server.faults import BlobUnknown, ManifestUnknown, NameUnknown
from engine.registry.server.manifests import Manifest
from engine.registry.server.protocols import Records

BLOB, MANIFEST, TAG = "registry-blob", "registry-manifest", "registry-tag"


@dataclass(slots=True)
class Repository:
    """`blobs`: digest → when it came, in seconds since 1970. `referrers`: subject → those about it, in order."""

    name: str
    blobs: dict[Digest, float] = field(default_factory=dict)
    manifests: dict[Digest, Manifest] = field(default_factory=dict)
    tags: dict[str, Digest] = field(default_factory=dict)
    referrers: dict[Digest, dict[Digest, None]] = field(default_factory=dict)

    def manifest_of(self, reference: str | Digest) -> tuple[Digest, Manifest]:
        """Raises ManifestUnknown."""
        digest = reference if isinstance(reference, Digest) else self.tags.get(reference)
        if digest is None or digest not in self.manifests:
            raise ManifestUnknown("manifest unknown", detail={"name": self.name, "reference": str(reference)})
        return digest, self.manifests[digest]

    @property
    def empty(self) -> bool:
        return not self.blobs and not self.manifests


class Catalog:
    def __init__(self, records: Records) -> None:
        self._records = records
        self._repositories: dict[str, Repository] = {}
        # How many repositories have the content: what nobody has may go.
        self._holders: dict[Digest, int] = {}
        for id, at in records.list(BLOB).items():
            name, digest = split(id)
            self._hold(digest)
            self._known(name).blobs[digest] = float(at)
        for id, record in records.list(MANIFEST).items():
            name, digest = split(id)
            self._remember(self._known(name), digest, Manifest.of_record(record))
        for id, text in records.list(TAG).items():
            name, _, tag = id.rpartition(":")
            if (digest := Digest.parse(text)) in self._known(name).manifests:
                self._known(name).tags[tag] = digest

    def _known(self, name: str) -> Repository:
        return self._repositories.setdefault(name, Repository(name))

    # --- reading
    def find(self, name: str) -> Repository | None:
        found = self._repositories.get(name)
        return None if found is None or found.empty else found

    def get(self, name: str) -> Repository:
        """Raises NameUnknown."""
        found = self.find(name)
        if found is None:
            raise NameUnknown("repository name not known to registry", detail={"name": name})
        return found

    def names(self) -> list[str]:
        return sorted(name for name, repository in self._repositories.items() if not repository.empty)

    def repositories(self) -> Iterator[Repository]:
        for name in self.names():
            yield self._repositories[name]

    def holds(self, digest: Digest) -> bool:
        """Whether any repository has the content."""
        return digest in self._holders

    # --- changing
    def link(self, name: str, digest: Digest, now: float) -> None:
        """The blob, whose bytes are in the store, is the repository's too."""
        repository = self._known(name)
        if digest not in repository.blobs:
            self._hold(digest)
        self._records.put(BLOB, f"{name}@{digest}", now)
        repository.blobs[digest] = now

    def unlink(self, name: str, digest: Digest) -> None:
        """Raises BlobUnknown."""
        repository = self.find(name)
        if repository is None or digest not in repository.blobs:
            raise BlobUnknown("blob unknown to registry", detail={"digest": str(digest)})
        self._records.delete(BLOB, f"{name}@{digest}")
        del repository.blobs[digest]
        self._release(digest)

    def put(self, name: str, digest: Digest, manifest: Manifest, tags: list[str]) -> None:
        """The manifest, whose bytes are in the store, with the tags that shall point to it: all or nothing."""
        repository = self._known(name)
        with self._records.transaction():
            self._records.put(MANIFEST, f"{name}@{digest}", manifest.record())
            for tag in tags:
                self._records.put(TAG, f"{name}:{tag}", str(digest))
        self._remember(repository, digest, manifest)
        for tag in tags:
            repository.tags[tag] = digest

    def _remember(self, repository: Repository, digest: Digest, manifest: Manifest) -> None:
        if digest not in repository.manifests:
            self._hold(digest)
        repository.manifests[digest] = manifest
        if manifest.subject is not None:
            repository.referrers.setdefault(manifest.subject, {})[digest] = None

    def untag(self, name: str, tag: str) -> None:
        """Raises NameUnknown, ManifestUnknown."""
        repository = self.get(name)
        repository.manifest_of(tag)
        self._records.delete(TAG, f"{name}:{tag}")
        del repository.tags[tag]

    def delete(self, name: str, digest: Digest) -> None:
        """The manifest and every tag that points to it. Raises NameUnknown, ManifestUnknown."""
        repository = self.get(name)
        _, manifest = repository.manifest_of(digest)
        gone = [tag for tag, target in repository.tags.items() if target == digest]
        with self._records.transaction():
            for tag in gone:
                self._records.delete(TAG, f"{name}:{tag}")
            self._records.delete(MANIFEST, f"{name}@{digest}")
        for tag in gone:
            del repository.tags[tag]
        del repository.manifests[digest]
        if manifest.subject is not None:
            others = repository.referrers[manifest.subject]
            others.pop(digest, None)
            if not others:
                del repository.referrers[manifest.subject]
        self._release(digest)

    def _hold(self, digest: Digest) -> None:
        self._holders[digest] = self._holders.get(digest, 0) + 1

    def _release(self, digest: Digest) -> None:
        self._holders[digest] -= 1
        if not self._holders[digest]:
            del self._holders[digest]


def split(id: str) -> tuple[str, Digest]:
    name, _, digest = id.partition("@")
    return name, Digest.parse(digest)
