"""One replica, desired against live: the fields that differ, and whether the engine can change them in place."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.api.capabilities import Capabilities
from engine.plan.desired import DesiredContainer
from engine.plan.diff.fields import Fields, fields_of, is_engine_chosen
from engine.plan.lower.naming import APPLIED
from engine.plan.observed import LiveContainer
from engine.plan.sensitive import environment_values, gives_away, is_sensitive, telling
from engine.plan.steps import FieldChange

# Fields that `POST /containers/{id}/update` changes, and their keys there.
UPDATABLE = {
    "blkio_config.weight": "BlkioWeight",
    "cpu_period": "CpuPeriod",
    "cpu_quota": "CpuQuota",
    "cpu_rt_period": "CpuRealtimePeriod",
    "cpu_rt_runtime": "CpuRealtimeRuntime",
    "cpu_shares": "CpuShares",
    "cpus": "NanoCpus",
    "cpuset": "CpusetCpus",
    "mem_limit": "Memory",
    "mem_reservation": "MemoryReservation",
    "memswap_limit": "MemorySwap",
    "pids_limit": "PidsLimit",
    "restart": "RestartPolicy",
}
# To the engine a zero in an update means "leave it"; only these can be taken back in place.
REMOVABLE = frozenset({"restart", "pids_limit"})
CONTENT = "content."
# How a sealed value begins: `hmac:<key>:<digest>` (reconcile.contents.Sealer).
SEALED = "hmac:"


@dataclass(frozen=True, slots=True)
class ContainerDiff:
    """`replace` and `update` hold the differing fields by what it takes to mend them."""

    replace: tuple[FieldChange, ...] = ()
    update: tuple[FieldChange, ...] = ()
    update_body: Mapping[str, Any] = field(default_factory=dict)

    @property
    def equal(self) -> bool:
        return not self.replace and not self.update


def is_honoured(path: str, capabilities: Capabilities) -> bool:
    """Whether the engine takes the field at all: what it drops can't differ (a diagnostic says that it is dropped)."""
    if path.startswith("annotations."):
        return capabilities.annotations
    return path != "healthcheck.start_interval" or capabilities.start_interval


def applied_fields(desired: DesiredContainer, seal: Callable[[str], str]) -> dict[str, Any]:
    """What `io.rorqual.applied` records: every field asked for, sensitive values sealed, and digests of contents."""
    fields = fields_of(desired.body, desired.body.get("HostConfig") or {})
    sealed = {
        path: seal(sealable(value))
        if is_sensitive(path, desired.marked) or gives_away(value, desired.hidden)
        else value
        for path, value in fields.items()
    }
    return sealed | {f"{CONTENT}{target}": digest for target, digest in desired.contents.items()}


def sealable(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def was_applied(recorded: Any, value: Any, seal: Callable[[str], str]) -> bool:
    """Whether what `io.rorqual.applied` says of a field is this value, which it may hold sealed."""
    if isinstance(recorded, str) and recorded.startswith(SEALED) and value is not None:
        return seal(sealable(value)) == recorded
    return bool(recorded == value)


def recorded(live: LiveContainer) -> dict[str, Any] | None:
    """The fields that were asked for when the container was made; None where nobody recorded them."""
    text = live.labels.get(APPLIED)
    if text is None:
        return None
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def diff_container(
    desired: DesiredContainer,
    live: LiveContainer,
    *,
    defaults: Fields | None,
    image_id: str | None,
    capabilities: Capabilities,
    name_of: Callable[[str], str],
    seal: Callable[[str], str],
    skip: Callable[[FieldChange], bool] | None = None,
    same_spec: bool = False,
) -> ContainerDiff:
    """Compare one container with what is asked. `defaults` are the fields of the live container's own image, None
    where it is gone; `image_id` the id that the desired reference has now, None where the engine doesn't have it.
    `skip` says of a change that it is left alone. `same_spec`: another tool made it, asked for the same as `desired`.
    """
    body = desired.body
    asked = fields_of(body, body.get("HostConfig") or {})
    want = {path: value for path, value in asked.items() if is_honoured(path, capabilities)}
    have = fields_of(live.inspect["Config"], live.inspect["HostConfig"], name_of)
    known, defaults = defaults is not None, dict(defaults or {})
    applied = applied_fields(desired, seal) if same_spec else recorded(live)
    if applied is not None and not capabilities.faithful_inspect:
        mutable = UPDATABLE if capabilities.container_update else {}
        honoured = {path: value for path, value in applied.items() if is_honoured(path, capabilities)}
        have = believed(have, defaults, honoured, want, seal, mutable)
    changes = [*image_change(desired, live, image_id), *content_changes(desired, applied)]
    if want.get("entrypoint"):
        # a command of the image falls away where the spec gives an entrypoint (moby's merge of the two configs)
        defaults.pop("command", None)
    changes += field_changes(want, have, defaults, applied, image_known=known, seal=seal)
    if skip is not None:
        changes = [change for change in changes if not skip(change)]
    changes = private(changes, desired, live, applied)
    updates = [c for c in changes if can_update(c, capabilities)]
    # Replacing mends everything; updating what will be replaced anyway would be a step for nothing.
    replace = tuple(c for c in changes if c not in updates)
    if replace:
        return ContainerDiff(replace=tuple(changes))
    return ContainerDiff(update=tuple(updates), update_body=update_body(desired, updates))


def private(
    changes: list[FieldChange], desired: DesiredContainer, live: LiveContainer, applied: Mapping[str, Any] | None
) -> list[FieldChange]:
    """With those marked sensitive that are so by name, by what was recorded sealed, or by what they would give away."""
    if not changes:
        return changes
    old = environment_values(live.inspect["Config"].get("Env") or (), desired.marked)
    hidden = (*desired.hidden, *telling(old))

    def is_private(change: FieldChange) -> bool:
        before = (applied or {}).get(change.path)
        sealed = isinstance(before, str) and before.startswith(SEALED)
        named = change.sensitive or sealed or is_sensitive(change.path, desired.marked)
        return named or gives_away((change.old, change.new), hidden)

    return [change._replace(sensitive=is_private(change)) for change in changes]


def field_changes(
    want: Fields,
    have: Fields,
    defaults: Fields,
    applied: Mapping[str, Any] | None,
    *,
    image_known: bool,
    seal: Callable[[str], str],
) -> list[FieldChange]:
    found = []
    for path in sorted(want.keys() | have.keys()):
        old = have.get(path)
        if path in want:
            new = want[path]
        elif is_engine_chosen(path) or not image_known:
            new = None if applied is not None and path in applied else old
        else:
            new = defaults.get(path)
        if dropped(path, old, new, applied, seal):
            continue
        if old != new and (old or new or path.startswith(("environment.", "labels."))):
            found.append(FieldChange(path, old, new))
    for path in sorted(defaults.keys() - want.keys() - have.keys()):
        if not is_engine_chosen(path):
            found.append(FieldChange(path, None, defaults[path]))
    return found


def dropped(path: str, old: Any, new: Any, applied: Mapping[str, Any] | None, seal: Callable[[str], str]) -> bool:
    """Whether the engine let the field fall at create, as the host can't do it: asked then as now, and not there.

    No call of the API can take these away later, so nobody else did.
    """
    if old is not None or path in REMOVABLE or applied is None or new is None:
        return False
    return was_applied(applied.get(path), new, seal)


def image_change(desired: DesiredContainer, live: LiveContainer, image_id: str | None) -> list[FieldChange]:
    """The image differs when its id does; an engine that doesn't have it yet can tell only by the reference."""
    reference = live.inspect["Config"].get("Image") or ""
    if image_id is None:
        return [] if reference == desired.image else [FieldChange("image", reference, desired.image)]
    if live.inspect.get("Image") == image_id:
        return []
    if reference == desired.image:
        old = f"{reference} ({short(live.inspect.get('Image') or '')})"
        return [FieldChange("image", old, f"{desired.image} ({short(image_id)})")]
    return [FieldChange("image", reference, desired.image)]


def short(image_id: str) -> str:
    return image_id.removeprefix("sha256:")[:12]


def content_changes(desired: DesiredContainer, applied: Mapping[str, Any] | None) -> list[FieldChange]:
    """Content that was recorded and differs; what nobody recorded, or sealed with another machine's key, is equal."""
    found = []
    for target, digest in desired.contents.items():
        before = (applied or {}).get(f"{CONTENT}{target}")
        if before is not None and before != digest and key_of(before) == key_of(digest):
            sensitive = target in desired.sensitive
            found.append(FieldChange(f"{CONTENT}{target}", short(before), short(digest), sensitive))
    return found


def key_of(digest: str) -> str:
    """`sha256:…` → sha256; `hmac:<key>:…` → hmac:<key>: only digests of one kind can be compared."""
    return digest.rpartition(":")[0]


def believed(
    have: Fields,
    defaults: Fields,
    applied: Mapping[str, Any],
    want: Fields,
    seal: Callable[[str], str],
    mutable: Mapping[str, str],
) -> Fields:
    """For an engine whose inspect doesn't repeat what was asked: what can't change after create is as recorded.

    Sensitive values are recorded sealed: one that seals to the same is the wanted one. Podman gives every container a
    limit of processes, so one that nobody asked for is its own.
    """
    found: Fields = {path: value for path, value in defaults.items() if path not in applied}
    for path, value in applied.items():
        if not path.startswith(CONTENT) and path not in mutable:
            same = path in want and was_applied(value, want[path], seal)
            found[path] = want[path] if same else value
    changed = {path: value for path, value in have.items() if path in mutable}
    if "pids_limit" not in applied:
        changed.pop("pids_limit", None)
    return found | changed


def can_update(change: FieldChange, capabilities: Capabilities) -> bool:
    if change.path not in UPDATABLE or not capabilities.container_update:
        return False
    return change.new is not None or change.path in REMOVABLE


def update_body(desired: DesiredContainer, changes: list[FieldChange]) -> dict[str, Any]:
    """The body of the update call; memory and swap go together, since the engine checks them against each other."""
    host = desired.body.get("HostConfig") or {}
    body = {UPDATABLE[c.path]: host.get(UPDATABLE[c.path], 0) for c in changes}
    if "RestartPolicy" in body:
        body["RestartPolicy"] = host.get("RestartPolicy") or {"Name": "no", "MaximumRetryCount": 0}
    if "PidsLimit" in body and not body["PidsLimit"]:
        body["PidsLimit"] = -1
    if "Memory" in body or "MemorySwap" in body:
        memory = host.get("Memory") or 0
        body |= {"Memory": memory, "MemorySwap": host.get("MemorySwap") or 2 * memory}
    return body
