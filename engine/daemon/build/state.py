"""A stage at one moment: configuration, layers, history, and the key under which the cache finds what follows. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from engine.daemon.protocols import ImageRecord
from engine.daemon.snapshots.layers import chain_id_of

Json = Any
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# What a document says beside its config, layers and history.
OUTER = ("architecture", "os", "variant", "os.version", "os.features")
NOP = "/bin/sh -c #(nop) "
# What an image of Rorqual's says of its own source (docs/decisions/016): it is not true of what is built on it.
CLAIM = "io.rorqual.content"


@dataclass(frozen=True, slots=True)
class State:
    """`config` is the image's configuration; `base` its other top-level keys (os, architecture, …).

    `key` stands for all that led here: equal keys, equal content.
    """

    key: str
    config: Mapping[str, Json]
    base: Mapping[str, Json]
    diff_ids: tuple[str, ...] = ()
    chain_ids: tuple[str, ...] = ()
    history: tuple[Mapping[str, Json], ...] = ()
    author: str = ""
    created: str = ""
    # The image that the stage began with, as the records have it.
    parent: str = ""

    @property
    def top(self) -> str:
        return self.chain_ids[-1] if self.chain_ids else ""

    @property
    def document(self) -> bytes:
        """The image's JSON; its digest is the image's id."""
        made: dict[str, Json] = {
            **self.base,
            "config": dict(self.config),
            "created": self.created,
            "history": list(self.history),
            "rootfs": {"type": "layers", "diff_ids": list(self.diff_ids)},
        }
        if self.author:
            made["author"] = self.author
        return json.dumps(made, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    @property
    def id(self) -> str:
        return f"sha256:{hashlib.sha256(self.document).hexdigest()}"

    @property
    def short(self) -> str:
        return self.id[7:19]

    def stepped(
        self, key: str, created: str, created_by: str, *, diff_id: str = "", config: Mapping[str, Json] | None = None
    ) -> State:
        """After one more step; without `diff_id` it made no layer."""
        line: dict[str, Json] = {"created": created, "created_by": created_by}
        if self.author:
            line["author"] = self.author
        if not diff_id:
            line["empty_layer"] = True
        layers = (*self.diff_ids, diff_id) if diff_id else self.diff_ids
        chains = (*self.chain_ids, chain_id_of(self.top, diff_id)) if diff_id else self.chain_ids
        return replace(
            self,
            key=key,
            created=created,
            history=(*self.history, line),
            diff_ids=layers,
            chain_ids=chains,
            config=self.config if config is None else config,
        )

    def record(self) -> ImageRecord:
        """As a container takes it: an image that nobody has recorded."""
        return ImageRecord(
            id=self.id,
            names=(),
            digests=(),
            config={},
            document=self.base,
            diff_ids=self.diff_ids,
            chain_ids=self.chain_ids,
            size=0,
        )

    def to_json(self) -> Json:
        return asdict(self)

    @classmethod
    def from_json(cls, found: Json) -> State:
        """Raises TypeError, KeyError for what is none."""
        lists = {name: tuple(found[name]) for name in ("diff_ids", "chain_ids", "history")}
        return cls(**{**found, **lists})


def of_image(image: ImageRecord) -> State:
    """Where a stage begins that is FROM an image."""
    document = dict(image.document)
    outer: dict[str, Json] = {name: document[name] for name in OUTER if name in document}
    return State(
        key=image.id,
        config=with_path(without_claim(dict(image.config))),
        base=outer,
        diff_ids=image.diff_ids,
        chain_ids=image.chain_ids,
        history=tuple(document.get("history") or ()),
        author=str(document.get("author") or ""),
        created=str(document.get("created") or ""),
        parent=image.id,
    )


def of_scratch(base: Mapping[str, Json]) -> State:
    return State(key="scratch", config=with_path({}), base=base)


def without_claim(config: dict[str, Json]) -> dict[str, Json]:
    labels = config.get("Labels") or {}
    if CLAIM not in labels:
        return config
    return {**config, "Labels": {name: value for name, value in labels.items() if name != CLAIM}}


def with_path(config: dict[str, Json]) -> dict[str, Json]:
    """Every image that is built has a PATH: the usual one where its base says none."""
    env = list(config.get("Env") or ())
    if not any(entry.startswith("PATH=") for entry in env):
        env.append(f"PATH={DEFAULT_PATH}")
    return {**config, "Env": env}


def key_of(*parts: Json) -> str:
    """The cache's key for a step: a digest of all that it depends on."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


@dataclass(slots=True)
class Scope:
    """The arguments of a stage as they are declared, and what an instruction's words may ask for.

    `given` are the build's; `global_` the values of the ARGs before the first FROM; `used` is shared by all stages.
    """

    given: Mapping[str, str]
    global_: Mapping[str, str]
    platform: Mapping[str, str]
    used: set[str]
    values: dict[str, str] = field(default_factory=dict)

    def declare(self, name: str, default: str | None) -> str | None:
        """ARG → its value; None: declared, and unset."""
        self.used.add(name)
        if name in self.given:
            value: str | None = self.given[name]
        elif default is not None:
            value = default
        else:
            value = self.global_.get(name, self.platform.get(name))
        if value is not None:
            self.values[name] = value
        return value

    def environment(self, config: Mapping[str, Json]) -> dict[str, str]:
        """ENV wins over ARG."""
        env = dict(entry.split("=", 1) for entry in config.get("Env") or () if "=" in entry)
        return {**self.values, **env}
