"""One layer of files into one tree: each document of each file over those before it."""

from __future__ import annotations

from specs.node import Node
from specs.read import Unreadable
from specs.remote import is_remote
from specs.resolve import extends, include
from specs.resolve.canonical import canonical
from specs.resolve.context import Context, Layer
from specs.resolve.defaults import check_values, set_defaults
from specs.resolve.environment import resolve_lists
from specs.resolve.extends import not_a_project
from specs.resolve.include import SECTIONS
from specs.resolve.interpolate import Interpolation
from specs.resolve.merge import RULES, merge_mappings
from specs.resolve.paths import Paths
from specs.resolve.refusal import attempt, refusal
from specs.resolve.reset import apply_resets, take_resets
from specs.resolve.unique import enforce_unique
from specs.shapes.kinds import Fault
from specs.shapes.project import PROJECT
from specs.source import Diagnostic, Severity
from specs.typed.service import SERVICE as SERVICE_FIELDS


def load_layer(context: Context, layer: Layer, files: list[str]) -> Node:
    """All files of a layer merged, with defaults, checked, paths resolved. Faults go to the report."""
    root = Node({})
    for path in files:
        root = load_file(context, layer, path, root)
    set_defaults(root)
    check_values(root, context.report, context.losses)
    if context.resolve_paths or layer.included:
        attempt(context.report, Paths(layer.directory, context.home, is_remote, context.images).project, root)
    resolve_lists(root, layer.variables)
    return root


def load_file(context: Context, layer: Layer, path: str, root: Node) -> Node:
    """One file over what the layer has so far."""
    try:
        documents = context.documents(path)
    except (Unreadable, OSError) as error:
        context.tell_unreadable(error, path, layer.named.get(path))
        lose_file(context, layer)
        return root
    for document in documents:
        if type(document.value) is dict:
            root = load_document(context, layer, path, document, root)
        else:
            context.report.diagnostics += not_a_project(document).diagnostics
            lose_file(context, layer)
    return root


def lose_file(context: Context, layer: Layer) -> None:
    """Nobody knows what it would have said: of this project's own parts, or of names that it brings in."""
    if layer.included:
        context.losses.open.update(SECTIONS)
    else:
        context.losses.add()


def interpolated(context: Context, layer: Layer, document: Node) -> Node:
    interpolation = Interpolation(
        layer.variables, context.report, context.losses, strict=context.strict_env, enabled=context.interpolate
    )
    return interpolation.document(document)


def load_document(context: Context, layer: Layer, path: str, document: Node, root: Node) -> Node:
    report = context.report
    tree = interpolated(context, layer, document)
    resets = take_resets(tree)
    extends.apply_extends(context, layer, path, tree, resets)
    apply_resets(resets, root)
    include.apply_include(context, layer, path, tree)
    root = (attempt(report, merge_mappings, root, tree, RULES) or root) if root.value else tree
    enforce_unique(root, lenient=True)
    validate(context, root)
    root.value.pop("version", None)
    canonical(root, report, context.losses)
    return attempt(report, enforce_unique, root) or root


def validate(context: Context, root: Node) -> None:
    """The schema, on what is merged so far. All its faults at once; what is faulty leaves the tree."""
    faults = PROJECT.check(root) or []
    paths = [tuple(reversed(fault.path)) for fault in faults]
    for fault, path in zip(faults, paths, strict=True):
        if fault.code == "unknown-key":
            for key in fault.keys:
                context.losses.add(*path[:-1], key)
    for fault, path in zip(faults, paths, strict=True):
        known = fault.code == "missing-key" and any(context.losses.touch(*path, key) for key in fault.keys)
        if not known:
            context.report.diagnostics.append(diagnostic_of(fault))
    if faults:
        context.losses.prune(root, {id(fault.node) for fault in faults})
    version = root.value.get("version")
    if version is not None and type(version.value) is str:
        span = version.key_span
        context.report.warning("obsolete-key", "the key version is obsolete and has no effect; remove it", span)


def diagnostic_of(fault: Fault) -> Diagnostic:
    path = ".".join(reversed(fault.path))
    node = fault.node
    message = f"{path}: {fault.message}" if path else fault.message
    hint = misplaced(fault) or fault.hint
    if fault.at_key:
        return Diagnostic(Severity.ERROR, fault.code, message, node.key_span, hint)
    return refusal(node, fault.code, message, hint).diagnostic


def misplaced(fault: Fault) -> str | None:
    """A service outside of `services:`, or a service's key where the names of services stand: wrongly indented."""
    path = fault.path[::-1]
    if path[:1] == ["services"] and len(path) == 2 and fault.code == "wrong-type" and path[1] in SERVICE_FIELDS:
        return f"{path[1]} is a key of a service: indent it below the service's name"
    if fault.code != "unknown-key" or len(path) != 1 or fault.keys:
        return None
    if path[0] in SERVICE_FIELDS:
        return f"{path[0]} is a key of a service: indent it below services: and the service's name"
    value = fault.node.value
    if type(value) is dict and not value.keys().isdisjoint({"image", "build"}):
        return f"a service stands below services: — indent {path[0]} by two spaces more"
    return None
