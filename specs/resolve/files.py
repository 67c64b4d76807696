"""One layer of files into one tree: each document of each file over those before it."""

from __future__ import annotations

from specs.node import Node
from specs.resolve import extends, include
from specs.resolve.canonical import canonical
from specs.resolve.context import Context, Layer
from specs.resolve.defaults import check_values, set_defaults
from specs.resolve.environment import resolve_lists
from specs.resolve.interpolate import Interpolation
from specs.resolve.merge import RULES, merge_mappings
from specs.resolve.paths import Paths
from specs.resolve.refusal import refusal
from specs.resolve.reset import apply_resets, take_resets
from specs.resolve.unique import enforce_unique
from specs.shapes.kinds import Fault
from specs.shapes.project import PROJECT
from specs.source import Diagnostic, Severity


class Stopped(Exception):
    """The report holds errors that leave nothing to go on with."""


def stop_on_errors(context: Context) -> None:
    if context.report.failed:
        raise Stopped


def load_layer(context: Context, layer: Layer, files: list[str]) -> Node:
    """All files of a layer merged, with defaults, checked, paths resolved."""
    root = Node({})
    for path in files:
        root = load_file(context, layer, path, root)
    set_defaults(root)
    check_values(root, context.report)
    stop_on_errors(context)
    if context.resolve_paths or layer.included:
        Paths(layer.directory, context.home, include.is_remote).project(root)
    resolve_lists(root, layer.variables)
    return root


def load_file(context: Context, layer: Layer, path: str, root: Node) -> Node:
    """One file over what the layer has so far."""
    for document in context.documents(path):
        if type(document.value) is not dict:
            raise refusal(document, "wrong-type", "a Compose file must be a mapping: services: {…}")
        root = load_document(context, layer, path, document, root)
    return root


def interpolated(context: Context, layer: Layer, document: Node) -> Node:
    interpolation = Interpolation(
        layer.variables, context.report, strict=context.strict_env, enabled=context.interpolate
    )
    return interpolation.document(document)


def load_document(context: Context, layer: Layer, path: str, document: Node, root: Node) -> Node:
    tree = interpolated(context, layer, document)
    stop_on_errors(context)
    resets = take_resets(tree)
    extends.apply_extends(context, layer, path, tree, resets)
    apply_resets(resets, root)
    include.apply_include(context, layer, path, tree)
    root = merge_mappings(root, tree, RULES) if root.value else tree
    enforce_unique(root, lenient=True)
    validate(context, root)
    root.value.pop("version", None)
    canonical(root, context.report)
    stop_on_errors(context)
    return enforce_unique(root)


def validate(context: Context, root: Node) -> None:
    """The schema, on what is merged so far. All its faults at once."""
    for fault in PROJECT.check(root) or ():
        context.report.diagnostics.append(diagnostic_of(fault))
    version = root.value.get("version")
    if version is not None and type(version.value) is str:
        span = version.key_span
        context.report.warning("obsolete-key", "the key version is obsolete and has no effect; remove it", span)
    stop_on_errors(context)


def diagnostic_of(fault: Fault) -> Diagnostic:
    path = ".".join(reversed(fault.path))
    node = fault.node
    message = f"{path}: {fault.message}" if path else fault.message
    if fault.at_key:
        return Diagnostic(Severity.ERROR, fault.code, message, node.key_span, fault.hint)
    return refusal(node, fault.code, message, fault.hint).diagnostic
