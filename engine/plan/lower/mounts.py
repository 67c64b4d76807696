"""A service's volumes, configs and secrets as Binds, Mounts, Volumes and files to copy in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from engine.plan.desired import InjectedFile, Withheld
from specs.models import Config, FileReference, Mount, Project, Secret, Service


@dataclass(slots=True)
class Mounts:
    """The four places of a create body where mounts go, and what is copied in before the start.

    `sources` maps a target to the host file whose content is part of the container's identity: configs, secrets,
    and read-only binds, whose targets are `bound` (of these only regular files up to 1 MiB are hashed, by whoever reads
    the disk).
    """

    binds: list[str] = field(default_factory=list)
    mounts: list[dict[str, Any]] = field(default_factory=list)
    anonymous: dict[str, dict[str, Any]] = field(default_factory=dict)
    tmpfs: dict[str, str] = field(default_factory=dict)
    files: list[InjectedFile] = field(default_factory=list)
    sources: dict[str, str] = field(default_factory=dict)
    secret_targets: set[str] = field(default_factory=set)
    withheld: list[Withheld] = field(default_factory=list)
    bound: set[str] = field(default_factory=set)


def lower_mounts(project: Project, service: Service) -> Mounts:
    out = Mounts()
    for mount in service.volumes or ():
        place(out, project, mount)
    for entry in service.tmpfs or ():
        target, _, options = entry.partition(":")
        out.tmpfs[target] = options
    for reference in service.configs or ():
        config = project.configs[reference.source or ""]
        attach(out, config, reference, reference.target or f"/{reference.source}", secret=False)
    for reference in service.secrets or ():
        secret = project.secrets[reference.source or ""]
        attach(out, secret, reference, secret_target(reference), secret=True)
    return out


def secret_target(reference: FileReference) -> str:
    target = reference.target or reference.source or ""
    return target if target.startswith("/") else f"/run/secrets/{target}"


def place(out: Mounts, project: Project, mount: Mount) -> None:
    """Binds where they can say it, since the engine then makes a missing host path; Mounts where more is asked."""
    target = mount.target or ""
    match mount.type:
        case "bind" if not needs_mount(mount):
            out.binds.append(bind_string(mount.source or "", mount))
        case "volume" if mount.source is None:
            out.anonymous[target] = {}
        case "volume" if not needs_mount(mount):
            out.binds.append(bind_string(volume_name(project, mount), mount))
        case _:
            out.mounts.append(mount_object(project, mount))
    if mount.type == "bind" and mount.read_only and mount.source:
        out.sources[target] = mount.source
        out.bound.add(target)


def needs_mount(mount: Mount) -> bool:
    if mount.type == "bind":
        bind = mount.bind
        return bind is not None and (not bind.create_host_path or bool(bind.recursive))
    return mount.volume is not None and bool(mount.volume.labels or mount.volume.subpath)


def volume_name(project: Project, mount: Mount) -> str:
    volume = project.volumes.get(mount.source or "")
    return (volume.name if volume else None) or mount.source or ""


def bind_string(source: str, mount: Mount) -> str:
    options = ["ro" if mount.read_only else "rw"]
    if mount.bind is not None:
        options += [word for word in (mount.bind.selinux, mount.bind.propagation) if word]
    if mount.volume is not None and mount.volume.nocopy:
        options.append("nocopy")
    return f"{source}:{mount.target}:{','.join(options)}"


def mount_object(project: Project, mount: Mount) -> dict[str, Any]:
    body: dict[str, Any] = {"Type": mount.type, "Target": mount.target}
    source = volume_name(project, mount) if mount.type == "volume" else mount.source
    if source:
        body["Source"] = source
    if mount.read_only:
        body["ReadOnly"] = True
    if mount.consistency:
        body["Consistency"] = mount.consistency
    options = mount_options(mount)
    return body | ({options[0]: options[1]} if options and options[1] else {})


def mount_options(mount: Mount) -> tuple[str, dict[str, Any]] | None:
    if mount.bind is not None and mount.type == "bind":
        values = {
            "Propagation": mount.bind.propagation,
            "NonRecursive": mount.bind.recursive == "disabled" or None,
            "ReadOnlyForceRecursive": mount.bind.recursive == "readonly" or None,
        }
        return "BindOptions", {k: v for k, v in values.items() if v}
    if mount.volume is not None and mount.type == "volume":
        volume = mount.volume
        asked = {"NoCopy": volume.nocopy, "Labels": volume.labels, "Subpath": volume.subpath}
        return "VolumeOptions", {k: v for k, v in asked.items() if v}
    if mount.tmpfs is not None and mount.type == "tmpfs":
        return "TmpfsOptions", {k: v for k, v in {"SizeBytes": mount.tmpfs.size, "Mode": mount.tmpfs.mode}.items() if v}
    if mount.image is not None and mount.type == "image":
        return "ImageOptions", {"Subpath": mount.image.subpath} if mount.image.subpath else {}
    return None


def attach(out: Mounts, item: Config | Secret, reference: FileReference, target: str, *, secret: bool) -> None:
    """A file on disk is bound read-only; content in the spec or in a variable is copied in."""
    if secret:
        out.secret_targets.add(target)
    if item.file is not None:
        out.mounts.append({"Type": "bind", "Source": item.file, "Target": target, "ReadOnly": True})
        out.sources[target] = item.file
        out.bound.discard(target)
        return
    if (withheld := withheld_content(item, reference.source or "", "secret" if secret else "config")) is not None:
        out.withheld.append(withheld)
        return
    out.files.append(
        InjectedFile(
            target,
            # what a release kept of a file may be no text (reconcile.restore)
            (item.content or "").encode(errors="surrogateescape"),
            mode=0o444 if reference.mode is None else reference.mode,
            uid=numeric(reference.uid),
            gid=numeric(reference.gid),
        )
    )


def withheld_content(item: Config | Secret, name: str, noun: str) -> Withheld | None:
    """Why there is no content; None where there is, be it empty. Docker Compose refuses both when it needs them."""
    if item.content is not None:
        return None
    if item.external:
        why = f'{noun} "{name}" is external, and this runtime has no store of {noun}s'
        return Withheld((f"{noun}s", name, "external"), why, "give it a file, or a variable, of this machine")
    if item.environment is not None:
        why = f'{noun} "{name}" takes its content from the variable {item.environment}, which is not set'
        return Withheld((f"{noun}s", name, "environment"), why, f"set {item.environment} in the environment or in .env")
    return None


def numeric(text: str | None) -> int:
    return int(text) if text and text.isdigit() else 0


class GivenFile(NamedTuple):
    """How containers are given a file of the host: `secret` if any has it as one, `bound` if all only mount it."""

    secret: bool = False
    bound: bool = True


def given_files(project: Project, services: Iterable[Service]) -> dict[str, GivenFile]:
    """By host path, everything whose content may be part of the identity of these services' containers."""
    found: dict[str, GivenFile] = {}
    for service in services:
        mounts = lower_mounts(project, service)
        for target, path in mounts.sources.items():
            before = found.get(path, GivenFile())
            secret = before.secret or target in mounts.secret_targets
            found[path] = GivenFile(secret, before.bound and target in mounts.bound)
    return dict(sorted(found.items()))
