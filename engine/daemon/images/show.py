"""Images as the API shows them: in lists, inspected, their history. Pure but for the sizes that layers tell."""

from __future__ import annotations

import fnmatch
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from engine.api.errors import InvalidArgument
from engine.api.images import ImageInspect, ImageLayer, ImageSummary
from engine.daemon.images.index import ImageIndex
from engine.daemon.images.moments import NEVER, rfc3339, seconds_of
from engine.daemon.matching import has_label
from engine.daemon.protocols import Filters, ImageRecord
from engine.daemon.snapshots.layers import Layers

Version = tuple[int, int]
LIST_FILTERS = frozenset({"before", "dangling", "label", "label!", "reference", "since", "until"})
PRUNE_FILTERS = frozenset({"dangling", "label", "label!", "until"})
# A container's keys that Docker shows in an image's config though no image has them; gone with API 1.50.
CONTAINER_KEYS: dict[str, Any] = {
    "Hostname": "",
    "Domainname": "",
    "AttachStdin": False,
    "AttachStdout": False,
    "AttachStderr": False,
    "Tty": False,
    "OpenStdin": False,
    "StdinOnce": False,
    "Image": "",
}
CONFIG_KEYS: dict[str, Any] = {
    "User": "",
    "Env": None,
    "Cmd": None,
    "Volumes": None,
    "WorkingDir": "",
    "Entrypoint": None,
    "OnBuild": None,
    "Labels": None,
}


def created_at(image: ImageRecord) -> float:
    """Seconds since 1970; 0 for an image that doesn't say."""
    return seconds_of(str(image.document.get("created") or "")) or 0.0


def shown_config(config: Mapping[str, Any], version: Version) -> dict[str, Any]:
    whole = dict(CONFIG_KEYS)
    if version < (1, 50):
        whole = {**CONTAINER_KEYS, **whole}
    return {**whole, **{key: value for key, value in config.items() if version < (1, 50) or key not in CONTAINER_KEYS}}


def inspected(image: ImageRecord, layers: Layers, version: Version) -> ImageInspect:
    document = image.document
    shown: dict[str, Any] = {
        "Id": image.id,
        "RepoTags": list(image.names),
        "RepoDigests": list(image.digests),
        "Parent": image.parent,
        "Comment": image.comment,
        "Created": str(document.get("created") or NEVER),
        "DockerVersion": str(document.get("docker_version") or ""),
        "Author": str(document.get("author") or ""),
        "Config": shown_config(image.config, version),
        "Architecture": str(document.get("architecture") or ""),
        "Os": str(document.get("os") or "linux"),
        "Size": image.size,
        "GraphDriver": {"Name": "overlay2", "Data": overlay_folders(image, layers)},
        "RootFS": {"Type": "layers", "Layers": list(image.diff_ids)},
        "Metadata": {"LastTagTime": rfc3339(image.tagged_at) if image.tagged_at else NEVER},
    }
    for key, name in (("variant", "Variant"), ("os.version", "OsVersion")):
        if document.get(key):
            shown[name] = document[key]
    if version < (1, 44):
        shown["VirtualSize"] = image.size
    elif not document.get("created"):
        del shown["Created"]
    if version < (1, 45):
        made_in = document.get("container_config") or {}
        shown |= {"Container": str(document.get("container") or ""), "ContainerConfig": shown_config(made_in, version)}
    return shown  # type: ignore[return-value]  # built key by key


def overlay_folders(image: ImageRecord, layers: Layers) -> dict[str, str] | None:
    if image.top is None:
        return None
    top, *below = [str(path) for path in layers.folders(image.top)]
    return {"UpperDir": top, **({"LowerDir": ":".join(below)} if below else {})}


def history_of(image: ImageRecord) -> list[ImageLayer]:
    """Newest first; only the newest has an id and names."""
    sizes = iter(image.layer_sizes)
    lines: list[ImageLayer] = []
    for line in image.document.get("history") or ():
        lines.append(
            {
                "Id": "<missing>",
                "Created": int(seconds_of(str(line.get("created") or "")) or 0),
                "CreatedBy": str(line.get("created_by") or ""),
                "Tags": None,
                "Size": 0 if line.get("empty_layer") else next(sizes, 0),
                "Comment": str(line.get("comment") or ""),
            }
        )
    # layers that the history doesn't tell of are there none the less
    lines += [
        {"Id": "<missing>", "Created": 0, "CreatedBy": "", "Tags": None, "Size": size, "Comment": ""} for size in sizes
    ]
    lines.reverse()
    if lines:
        lines[0]["Id"], lines[0]["Tags"] = image.id, list(image.names) or None
    return lines


def summary_of(
    image: ImageRecord, version: Version, *, containers: int = -1, shared: int = -1, patterns: Collection[str] = ()
) -> ImageSummary:
    """`patterns`: a list by reference shows only the names that fit."""
    if patterns:
        image = replace(
            image,
            names=tuple(name for name in image.names if fits(name, patterns)),
            digests=tuple(name for name in image.digests if fits(name, patterns)),
        )
    none = version < (1, 43) and not image.names
    shown: ImageSummary = {
        "Containers": containers,
        "Created": int(created_at(image)),
        "Id": image.id,
        "Labels": image.config.get("Labels"),
        "ParentId": image.parent,
        "RepoDigests": list(image.digests) or (["<none>@<none>"] if none else []),
        "RepoTags": list(image.names) or (["<none>:<none>"] if none else []),
        "SharedSize": shared,
        "Size": image.size,
    }
    if version < (1, 44):
        shown["VirtualSize"] = image.size
    return shown


def shared_sizes(images: Iterable[ImageRecord]) -> dict[str, int]:
    """Image → the bytes of its layers that another image has too."""
    images = list(images)
    users = Counter(chain_id for image in images for chain_id in image.chain_ids)
    return {
        image.id: sum(size for chain, size in zip(image.chain_ids, image.layer_sizes, strict=True) if users[chain] > 1)
        for image in images
    }


def listed(index: ImageIndex, filters: Filters, *, all: bool, now: float) -> list[ImageRecord]:
    """Newest first; without `all` no image that only others are made of. Raises InvalidArgument, NotFound."""
    wanted = chosen(index, filters, now=now)
    found = [image for image in index.all() if all or image.names or image.digests or not index.children(image.id)]
    return sorted((image for image in found if wanted(image)), key=created_at, reverse=True)


def chosen(index: ImageIndex, filters: Filters, *, now: float) -> Callable[[ImageRecord], bool]:
    """A predicate of the filters; values of one filter are alternatives, but for labels."""
    tests: list[Callable[[ImageRecord], bool]] = []
    if values := filters.get("dangling"):
        dangling = boolean("dangling", values)
        tests.append(lambda image: is_dangling(index, image) is dangling)
    for name, sign in (("before", 1), ("since", -1)):
        for value in filters.get(name, ()):
            limit = created_at(index.get(value)) * sign
            tests.append(lambda image, limit=limit, sign=sign: created_at(image) * sign < limit)  # type: ignore[misc]
    for value in filters.get("until", ()):
        latest = moment(value, now)
        tests.append(lambda image, latest=latest: created_at(image) < latest)  # type: ignore[misc]
    if values := filters.get("label"):
        tests.append(lambda image: all(has_label(image.config.get("Labels"), value) for value in values))
    if banned := filters.get("label!"):
        tests.append(lambda image: not any(has_label(image.config.get("Labels"), value) for value in banned))
    if patterns := filters.get("reference"):
        tests.append(lambda image: any(fits(name, patterns) for name in (*image.names, *image.digests)))
    return lambda image: all(test(image) for test in tests)


def is_dangling(index: ImageIndex, image: ImageRecord) -> bool:
    return not image.names and not image.digests and not index.children(image.id)


def boolean(name: str, values: Collection[str]) -> bool:
    known = {"true": True, "1": True, "t": True, "false": False, "0": False, "f": False}
    found = {known.get(value.lower()) for value in values}
    if len(found) != 1 or None in found:
        raise InvalidArgument(f"invalid filter '{name}={','.join(values)}'")
    return bool(found.pop())


UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def moment(text: str, now: float) -> float:
    """A Unix time (with a fraction or not), an RFC 3339 time, or a duration back from now (10m, 1h30m)."""
    try:
        return float(text)
    except ValueError:
        pass
    for candidate in (text, f"{text}Z", f"{text}:00Z", f"{text}T00:00:00Z"):
        if (found := seconds_of(candidate)) is not None:
            return found
    back, rest = 0.0, text
    while rest:
        digits = rest[: len(rest) - len(rest.lstrip("0123456789."))]
        unit = rest[len(digits) :][: len(rest[len(digits) :]) - len(rest[len(digits) :].lstrip("nuµmsh"))]
        if not digits or unit not in UNITS or digits.count(".") > 1 or digits == ".":
            raise InvalidArgument(f'failed to parse value as time or duration: "{text}"')
        back += float(digits) * UNITS[unit]
        rest = rest[len(digits) + len(unit) :]
    return now - back


def fits(name: str, patterns: Iterable[str]) -> bool:
    """As Docker's path.Match on familiar names: `*` doesn't pass a slash; without a tag the repository must fit."""
    repository = name.partition("@")[0]
    repository = repository.rpartition(":")[0] if ":" in repository.rpartition("/")[2] else repository
    return any(
        match_segments(name, familiar) or match_segments(repository, familiar)
        for pattern in patterns
        for familiar in {pattern, pattern.removeprefix("docker.io/library/").removeprefix("docker.io/")}
    )


def match_segments(name: str, pattern: str) -> bool:
    parts, wanted = name.split("/"), pattern.split("/")
    return len(parts) == len(wanted) and all(map(fnmatch.fnmatchcase, parts, wanted))
