"""Text in, Project out: the one call that commands make. Collects every complaint in a Report, and never raises one.

A fault ends nothing: what is faulty leaves the tree (specs.losses), and the phases go on with the rest, so that all
faults are told in one run. Only what leaves nothing to look at (no file, an alias bomb) ends a load.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from specs.check import check as check_parts
from specs.depth import deep
from specs.discover import Found, discover
from specs.findings import in_order
from specs.node import Node, plain
from specs.remote import Fetch, is_remote
from specs.resolve import settle
from specs.resolve.context import Context, Layer
from specs.resolve.extensions import group_extensions
from specs.resolve.files import load_layer
from specs.resolve.images import typed_images
from specs.resolve.name import project_name
from specs.resolve.normalize import normalize
from specs.resolve.paths import Paths, image_names
from specs.resolve.refusal import Refusal, refusal
from specs.source import Report, Span
from specs.typed.kinds import EXTENSIONS

if TYPE_CHECKING:
    # pydantic costs 0.2 s to import and to build; `config` works on plain values and never needs it
    from specs.models import Project


@dataclass(frozen=True, slots=True)
class Request:
    """What to load, and how. None means: find out as Compose does (environment, .env, discovery).

    `environment` is the process environment; nothing else of the process is looked at but the file system.
    `stdin` is the text of `-f -`. The switches are those of `config --no-…`.
    `services` selects; empty is all. `fetch` brings files of git repositories and the like (specs.remote).
    """

    working_directory: str
    environment: Mapping[str, str] = field(default_factory=dict)
    files: Sequence[str] | None = None
    project_directory: str | None = None
    project_name: str | None = None
    profiles: Sequence[str] | None = None
    env_files: Sequence[str] | None = None
    services: Sequence[str] = ()
    only_services: bool = True
    stdin: bytes | None = None
    strict_env: bool = False
    all_resources: bool = False
    interpolate: bool = True
    normalize: bool = True
    resolve_paths: bool = True
    resolve_environment: bool = True
    check_consistency: bool = True
    fetch: Fetch | None = None


@dataclass(slots=True)
class Loading:
    """One load on its way through PHASES."""

    request: Request
    context: Context
    loaded: Loaded
    found: Found | None = None
    profiles: list[str] = field(default_factory=list)

    @property
    def root(self) -> Node:
        assert self.loaded.root is not None
        return self.loaded.root

    @property
    def values(self) -> dict[str, Any]:
        assert self.loaded.values is not None
        return self.loaded.values

    @property
    def files(self) -> Found:
        assert self.found is not None
        return self.found


@dataclass(slots=True, weakref_slot=True)
class Loaded:
    """A resolved project and everything that was noticed on the way.

    `values` are the typed values that output prints; `root` is the tree of nodes they come from, with places and
    histories; both are None when the report failed before there was any. `variables` is what interpolation saw, and
    `places` where those were set that are not of the process environment.
    """

    report: Report
    values: dict[str, Any] | None = None
    root: Node | None = None
    variables: dict[str, str] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    _project: Project | None = None

    @property
    def name(self) -> str:
        """The project's name; empty when the report failed."""
        return str((self.values or {}).get("name", ""))

    @property
    def project(self) -> Project | None:
        """The project as models; None when the report failed. Made at the first call."""
        if self._project is None and self.values is not None and not self.report.failed:
            # late: models cost 0.2 s to build (see above)
            from specs.models.make import make_project

            self._project = make_project(self.values)
        return self._project

    def node_of(self, *path: str) -> Node | None:
        """The node at `services.web.ports.0`, one argument a step."""
        node = self.root
        for step in path:
            if node is None:
                return None
            if type(node.value) is list:
                node = node.value[int(step)] if step.isdigit() and int(step) < len(node.value) else None
            else:
                node = node.get(step)
        return node

    def span_of(self, *path: str) -> Span | None:
        node = self.node_of(*path)
        return None if node is None else node.span


def load(request: Request) -> Loaded:
    """Resolve a project. Faults are in the report of what comes back; `values` is None when there are errors."""
    report = Report()
    loaded = Loaded(report)
    context = Context(
        report=report,
        load_layer=load_layer,
        working_directory=request.working_directory,
        interpolate=request.interpolate,
        resolve_paths=request.resolve_paths,
        strict_env=request.strict_env,
        home=request.environment.get("HOME", "/"),
        stdin=request.stdin,
        fetch=request.fetch,
    )
    loading = Loading(request, context, loaded)
    # The tree has no circles and lives to the end: the collector would only walk it again and again.
    collecting = gc.isenabled()
    gc.disable()
    try:
        with deep():
            for phase in PHASES:
                phase(loading)
    except Refusal as error:
        report.diagnostics += error.diagnostics
    except RecursionError:
        report.error("too-deep", "the project is nested too deeply")
    finally:
        if collecting:
            gc.enable()
    if report.failed:
        loaded.values = None
        report.diagnostics = in_order(report.diagnostics, [context.shown(path) for path in context.used_files])
    return loaded


def find(it: Loading) -> None:
    """Files, folder, variables, name."""
    request = it.request
    it.found = discover(
        it.context,
        environment=request.environment,
        files=request.files,
        project_directory=request.project_directory,
        env_files=request.env_files,
    )
    found = it.found
    name = project_name(
        it.context,
        request.project_name,
        found.files,
        found.directory,
        found.variables,
        normalize=request.normalize,
    )
    it.context.project_name = name
    found.variables.values["COMPOSE_PROJECT_NAME"] = name
    it.context.images.update(name for document in it.context.readable(found.files) for name in image_names(document))
    it.loaded.variables, it.loaded.places = found.variables.values, found.variables.places
    it.loaded.files = found.files
    given = request.profiles or found.variables.values.get("COMPOSE_PROFILES", "").split(",")
    it.profiles = [profile.strip() for profile in given]


def read_and_merge(it: Loading) -> None:
    """Read, interpolate, extends, include, merge, schema, short forms, defaults, paths: file by file."""
    found = it.files
    layer = Layer(directory=found.base, base=found.base, variables=found.variables)
    it.loaded.root = load_layer(it.context, layer, found.files)
    if not it.loaded.root.value and not it.context.report.failed:
        raise refusal(Span(it.context.shown(found.files[0]), 1, 1, 1, 1), "empty-file", "the Compose file is empty")


def normalize_all(it: Loading) -> None:
    if it.request.normalize:
        normalize(it.root, it.context.project_name, it.files.variables)


def type_values(it: Loading) -> None:
    group_extensions(it.root, it.context.report)
    values = settle.typed(it.root, it.context.report, it.context.losses)
    top = it.root.value
    values["name"] = it.context.project_name
    values["working_dir"] = it.files.directory
    values["files"] = it.files.files
    values["environment"] = it.files.variables.values
    values["profiles"] = [profile for profile in it.profiles if profile]
    extensions = {key: plain(node) for key, node in top.items() if key.startswith("x-")}
    for key, value in extensions.items():
        if not finite(value):
            message = f"{key} holds infinity or NaN, which JSON has no way to write"
            it.context.report.diagnostics += refusal(top[key], "not-a-number", message).diagnostics
    values[EXTENSIONS] = extensions
    if "images" in top:
        values["images"] = plain(top["images"])
    if "images" in top or "x-rorqual" in top:
        paths = Paths(it.files.directory, it.context.home, is_remote, image_names(it.root))
        values["typed_images"] = typed_images(
            it.root, it.context.project_name, paths, it.files.variables, it.context.report
        )
    it.loaded.values = values


def finite(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(finite, value.values()))
    if isinstance(value, list):
        return all(map(finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def apply_profiles(it: Loading) -> None:
    on, off = settle.split_by_profiles(it.values["services"], it.profiles)
    it.values["services"], it.values["disabled_services"] = on, off


def check(it: Loading) -> None:
    if it.request.check_consistency:
        disabled = {name: service.get("profiles", ()) for name, service in it.values["disabled_services"].items()}
        check_parts(it.values, it.root, it.context.report, disabled=disabled, losses=it.context.losses)
    settle.agree_on_replicas(it.values["services"])


def resolve_files(it: Loading) -> None:
    fold_files(it, it.values["services"])


def fold_files(it: Loading, services: dict[str, Any]) -> None:
    folded = settle.resolve_files(
        it.root, services, it.files.variables, it.context.report, environment=it.request.resolve_environment
    )
    it.values.setdefault("folded_files", {}).update(folded)


def select(it: Loading) -> None:
    """The services that were named become active, whatever their profile; with `only_services` the rest is left out
    but for what they depend on.
    """
    values = it.values
    for name in it.request.services:
        known = name in values["services"] or name in values["disabled_services"]
        if not known and not it.context.losses.hide("services", name):
            it.context.report.error("unknown-service", f"no such service: {name}")
    more = [p for name in it.request.services for p in values["disabled_services"].get(name, {}).get("profiles", ())]
    if more:
        every = dict(sorted((values["services"] | values["disabled_services"]).items()))
        on, off = settle.split_by_profiles(every, [*it.profiles, *more])
        fresh = {name: service for name, service in on.items() if name not in values["services"]}
        fold_files(it, fresh)
        values["services"], values["disabled_services"] = on, off
    if it.request.services and it.request.only_services:
        settle.select(values, list(it.request.services))


def drop_unused(it: Loading) -> None:
    if not it.request.all_resources and not it.context.report.failed:
        settle.drop_unused(it.values)


Phase = Callable[[Loading], None]
PHASES: tuple[Phase, ...] = (
    find,
    read_and_merge,
    normalize_all,
    type_values,
    apply_profiles,
    check,
    resolve_files,
    select,
    drop_unused,
)
