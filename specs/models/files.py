"""Secrets and configs: the objects, and how a service refers to one."""

from __future__ import annotations

from specs.models.base import Extensible


class FileReference(Extensible):
    """A secret or config given to a service or a build; `mode` is the permission bits as a number."""

    source: str | None = None
    target: str | None = None
    uid: str | None = None
    gid: str | None = None
    mode: int | None = None


class FileObject(Extensible):
    """A secret or config: exactly one of `file`, `environment`, `content`, `external` says where its content is.

    `content` of an object with `environment` is the variable's value; Compose never prints it.
    """

    name: str | None = None
    file: str | None = None
    environment: str | None = None
    content: str | None = None
    external: bool | None = None
    labels: dict[str, str] | None = None
    driver: str | None = None
    driver_opts: dict[str, str] | None = None
    template_driver: str | None = None


class Secret(FileObject):
    pass


class Config(FileObject):
    pass
