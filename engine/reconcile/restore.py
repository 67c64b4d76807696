"""From a recorded release back to a project that can be converged: with no network and no source tree left.

Whatever is still as it was is taken from where it lay; the rest comes out of the ledger. What can't be had is named,
all of it at once, before anything is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from engine.api.errors import Conflict, NotFound
from engine.api.kept import whole_id
from engine.client.session import EngineReader
from engine.ledger.release import Content, Pin, Release
from engine.ledger.sealing import digests_in, unsealed
from engine.plan.lower.naming import Naming
from engine.plan.observed import Observed
from engine.plan.options import PlanOptions
from engine.reconcile.contents import Sealer, digest_of
from engine.reconcile.files import profile_path
from engine.reconcile.keep import keep_repository, keep_tag
from engine.reconcile.saved import read_options
from engine.reconcile.sealed import opened_project
from engine.reconcile.unkept import changed, lost
from specs.models import Config, FileReference, Mount, Project, Service
from specs.models.files import FileObject

if TYPE_CHECKING:
    from engine.ledger.store import Ledger

# Values of the project's source as it is now, by digest: asked for only where the ledger can't open its own.
Source = Callable[[], Mapping[str, bytes]]


class Restored(NamedTuple):
    """`options` are those of the release, with nothing to pull or build. `notes` say what can't be as it was."""

    project: Project
    options: PlanOptions
    notes: tuple[str, ...] = ()


async def restore(engine: EngineReader, ledger: Ledger, release: Release, sealer: Sealer, source: Source) -> Restored:
    """Raises Conflict, naming each value, file and image that can't be had any more, and for a release that failed."""
    check_good(release)
    options = read_options(release.intent.options)
    wanted = Wanted(ledger, source)
    values = {digest: wanted.value(digest, path) for path, digest in digests_in(release.intent.spec).items()}
    contents = {
        path: (content, wanted.value(content.digest, path))
        for path, content in release.intent.contents.items()
        if not is_still(path, content, sealer)
    }
    local, marks = engine.target.scheme == "unix", dict(release.intent.unkept)
    gone = list(lost_words(ledger, wanted.missing, marks if local else {}))
    if wanted.missing:
        refuse(release, gone)
    project = opened_project(unsealed(release.intent.spec, {d: v for d, v in values.items() if v is not None}))
    put_files(project, {path: (content, data) for path, (content, data) in contents.items() if data is not None})
    refuse(release, [*gone, *await pin_images(engine, project, release, sealer.name, options)])
    settled = options._replace(
        images_settled=True,
        build=False,
        pull=None,
        # what was only created then is started now: a return is to what runs
        start=True,
        force_recreate=False,
        always_recreate_deps=False,
        recreate=True,
        renew_anonymous_volumes=False,
        remove_orphans=True,
        rerun=frozenset(),
    )
    notes = [*other_now(marks), *empty_folders(project)] if local else []
    return Restored(project, settled, tuple(notes))


def refuse(release: Release, gone: Sequence[str]) -> None:
    if gone:
        raise Conflict(f"can't return to release {release.number}: {'; '.join(gone)}")


def lost_words(ledger: Ledger, values: Sequence[str], marks: dict[str, str]) -> Iterator[str]:
    if values:
        yield (
            f"the key of the ledger ({ledger.vault.path}) no longer opens these values, and the project's source has "
            f"others now: {', '.join(values)}"
        )
    if paths := lost(marks):
        what = "folders and mounted files of more than 1 MiB are not kept in the history"
        yield f"what it mounted is gone from this machine ({what}): {', '.join(paths)}"


def other_now(marks: dict[str, str]) -> Iterator[str]:
    for path in changed(marks):
        yield f"{path} has changed since, and is not kept in the history: containers see it as it is now"


def check_good(release: Release) -> None:
    if release.intent.kind == "down":
        raise Conflict(f"release {release.number} took the project down: `rorqual down` does that")
    if not release.good:
        why = f": {release.reason}" if release.reason else ""
        raise Conflict(f"release {release.number} is {release.state}, and no state to return to{why}")


class Wanted:
    """Values by digest, from the ledger or else the source; `missing` names the places of those that neither has."""

    def __init__(self, ledger: Ledger, source: Source) -> None:
        self.missing: list[str] = []
        self._ledger = ledger
        self._source = source
        self._found: Mapping[str, bytes] | None = None

    def value(self, digest: str, place: str) -> bytes | None:
        value = self._ledger.content(digest)
        if value is None:
            if self._found is None:
                self._found = self._source()
            value = self._found.get(digest)
        if value is None:
            self.missing.append(place)
        return value


def is_still(path: str, content: Content, sealer: Sealer) -> bool:
    return digest_of(path, sealer if content.digest.startswith("hmac:") else None) == content.digest


Files = Mapping[str, tuple[Content, bytes]]


def put_files(project: Project, files: Files) -> None:
    """Have the containers given these contents, in place of the host's files that no longer hold them."""
    for service in (*project.services.values(), *project.disabled_services.values()):
        given: list[tuple[list[FileReference] | None, Mapping[str, FileObject]]]
        given = [(service.configs, project.configs), (service.secrets, project.secrets)]
        for references, items in given:
            for reference in references or ():
                if found := kept_of(items.get(reference.source or ""), files):
                    permit(reference, found[0])
        put_mounts(project, service, files)
        if service.security_opt:
            service.security_opt = [with_profile(project, text, files) for text in service.security_opt]
    everything: list[FileObject] = [*project.configs.values(), *project.secrets.values()]
    for item in everything:
        if found := kept_of(item, files):
            item.content, item.file = text_of(found[1]), None


def kept_of(item: FileObject | None, files: Files) -> tuple[Content, bytes] | None:
    return files.get(item.file) if item is not None and item.file else None


def put_mounts(project: Project, service: Service, files: Files) -> None:
    """A read-only bind of a file becomes a config of the same content at the same target."""
    kept: list[Mount] = []
    for mount in service.volumes or ():
        found = files.get(mount.source or "") if mount.type == "bind" and mount.read_only else None
        if found is None:
            kept.append(mount)
            continue
        content, data = found
        name = f"restored:{mount.source}"
        project.configs[name] = Config(name=name, content=text_of(data))
        reference = FileReference(source=name, target=mount.target)
        permit(reference, content)
        service.configs = [*(service.configs or ()), reference]
    if service.volumes is not None:
        service.volumes = kept


def with_profile(project: Project, option: str, files: Files) -> str:
    path = profile_path(option)
    full = str(Path(project.working_dir, path)) if path else ""
    return f"seccomp={text_of(files[full][1])}" if full in files else option


def permit(reference: FileReference, content: Content) -> None:
    """A bind shows the host file's own permissions; what is copied in is given them."""
    reference.mode, reference.uid, reference.gid = content.mode & 0o777, str(content.uid), str(content.gid)


def text_of(data: bytes) -> str:
    """Any bytes as text, and back again where they are copied in (plan.lower.mounts)."""
    return data.decode(errors="surrogateescape")


async def pin_images(
    engine: EngineReader, project: Project, release: Release, ledger: str, options: PlanOptions
) -> list[str]:
    """Have each service run the image that it ran: under its own name where that still is the same one, else under
    the name that the ledger gave it. Returns words about those that the engine no longer has.
    """
    naming, gone = Naming(project.name, options.separator), []
    images = await engine.images.list()
    ids = {whole_id(image["Id"]) for image in images}
    names = {name: whole_id(image["Id"]) for image in images for name in image.get("RepoTags") or ()}
    for key, service in project.services.items():
        pin = release.images.get(key)
        if pin is None:
            continue
        reference = naming.image(project, service, key)
        if pin.id not in ids:
            gone.append(gone_words(reference, pin))
        elif not await stands_for(engine, reference, pin):
            keep = f"{keep_repository(project.name)}:{keep_tag(ledger, pin.id)}"
            service.image = next((name for name, id in names.items() if id == pin.id and keep in name), pin.id)
    why = "the engine no longer has what it ran (`image prune -a` takes images that no container uses)"
    return [f"{why}: {'; '.join(dict.fromkeys(gone))}"] if gone else []


async def stands_for(engine: EngineReader, reference: str, pin: Pin) -> bool:
    try:
        return whole_id((await engine.images.inspect(reference)).get("Id") or "") == pin.id
    except NotFound:
        return False


def gone_words(reference: str, pin: Pin) -> str:
    """`web:1.4 (sha256:0123456789ab), which `docker pull web@sha256:…` brings back`."""
    short = f"{reference} (sha256:{pin.id.removeprefix('sha256:')[:12]})"
    return f"{short}, which `docker pull {pin.digests[0]}` brings back" if pin.digests else short


def empty_folders(project: Project) -> Iterator[str]:
    """Binds that containers write to, and whose source is gone: data, which no release keeps."""
    for key, service in project.services.items():
        for mount in service.volumes or ():
            if mount.type == "bind" and mount.source and not Path(mount.source).exists():
                yield f"service {key}: {mount.source} is gone, and {mount.target} will be an empty folder"


def introduced_later(observed: Observed, project: Project, later: Collection[str]) -> Observed:
    """What is observed without orphans that no later release made: only what came since is taken back."""
    known = {*project.services, *project.disabled_services, *later}
    return observed._replace(containers=tuple(c for c in observed.containers if c.oneoff or c.service in known))
