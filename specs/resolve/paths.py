"""Relative paths against the project directory."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Callable, Collection

from specs.node import Node
from specs.resolve.defaults import items
from specs.resolve.refusal import each_of, refusal
from specs.resolve.short import clean

WINDOWS = re.compile(r"[a-zA-Z]:[\\/]|\\\\")
REMOTE = re.compile(r"(https?://|git://|ssh://|github\.com/|git@)")


class Paths:
    """Resolves the paths of one project. `directory` may itself be relative: then so is the result. `images` are names
    of entries of `images:`, beside those that the project itself has: as a named context, one is no folder.
    """

    def __init__(
        self, directory: str, home: str, is_remote: Callable[[str], bool], images: Collection[str] = ()
    ) -> None:
        self.directory = directory
        self.home = home
        self.is_remote = is_remote
        self.images = images

    def join(self, path: str) -> str:
        return clean(posixpath.join(self.directory, path)) if self.directory else clean(path)

    def expand_user(self, path: str) -> str:
        if path.startswith("~"):
            return clean(posixpath.join(self.home, path[1:].lstrip("/")))
        return path

    def absolute(self, path: str) -> str:
        path = self.expand_user(path)
        return path if path == "" or posixpath.isabs(path) else self.join(path)

    def maybe_unix(self, path: str) -> str:
        path = self.expand_user(path)
        return path if posixpath.isabs(path) or WINDOWS.match(path) else self.join(path)

    def context(self, path: str) -> str:
        if path == "" or "://" in path or path.startswith("service:") or self.is_remote(path):
            return path
        path = self.expand_user(path)
        if REMOTE.match(path):
            return path
        return path if posixpath.isabs(path) else self.join(path)

    def project(self, root: Node) -> None:
        """Every path below the root. Raises one Refusal for all mounts that lack one."""
        self.images = {*self.images, *image_names(root)}
        for kind in ("configs", "secrets"):
            for resource in entries(root.get(kind)):
                change(resource.get("file"), self.maybe_unix)
        for volume in entries(root.get("volumes")):
            self.driver_options(volume)
        services = entries(root.get("services"))
        each_of([service for service in services if type(service.value) is dict], self.service)

    def service(self, service: Node) -> None:
        build = service.value.get("build")
        if build is not None and type(build.value) is dict:
            self.build(build)
        for env_file in items(service.value.get("env_file")):
            change(env_file.get("path"), self.absolute)
        for label_file in items(service.value.get("label_file")):
            change(label_file, self.absolute)
        extends = service.get("extends", "file")
        if extends is not None and type(extends.value) is str and not self.is_remote(extends.value):
            change(extends, self.absolute)
        for rule in items(service.get("develop", "watch")):
            change(rule.get("path"), lambda path: resolve_links(self.absolute(path)))
        each_of(items(service.value.get("volumes")), self.mount)

    def mount(self, mount: Node) -> None:
        if type(mount.value) is dict and (kind := mount.value.get("type")) is not None and kind.value == "bind":
            if "source" not in mount.value:
                raise refusal(mount, "missing-key", "a bind mount needs a source")
            change(mount.value["source"], self.maybe_unix)

    def build(self, build: Node) -> None:
        change(build.value.get("context"), self.context)
        contexts = build.value.get("additional_contexts")
        for context in contexts.value.values() if contexts is not None and type(contexts.value) is dict else ():
            if type(context.value) is not str or context.value not in self.images:
                change(context, self.context)
        keys = build.value.get("ssh")
        for key in keys.value.values() if keys is not None and type(keys.value) is dict else ():
            change(key, self.absolute)

    def driver_options(self, volume: Node) -> None:
        """`device` of a local volume with `o: bind` is a path of the host."""
        options = volume.get("driver_opts")
        driver = volume.get("driver")
        if options is None or driver is None or driver.value != "local" or type(options.value) is not dict:
            return
        kind = options.get("o")
        if kind is not None and kind.value == "bind":
            change(options.get("device"), self.maybe_unix)


def image_names(root: Node) -> list[str]:
    """The entries of `images:`, at top level and under `x-rorqual`."""
    sections = (root.get("images"), root.get("x-rorqual", "images"))
    return [
        name for section in sections if section is not None and type(section.value) is dict for name in section.value
    ]


def entries(section: Node | None) -> Collection[Node]:
    """Those of a mapping: of an extended file only the wanted service must fit the schema, whatever else is there."""
    return section.value.values() if section is not None and type(section.value) is dict else ()


def change(node: Node | None, by: Callable[[str], str]) -> None:
    if node is not None and type(node.value) is str:
        node.value = by(node.value)


def resolve_links(path: str) -> str:
    """The path with the symbolic link that it is followed, where there is one."""
    try:
        return os.path.realpath(path) if os.path.lexists(path) else path
    except OSError:
        return path
