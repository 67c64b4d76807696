"""`extends`: a service that starts from another one, of this file or of another."""

from __future__ import annotations

from difflib import get_close_matches

from specs.node import Node, copied
from specs.openfile import near
from specs.read import Unreadable
from specs.remote import is_remote
from specs.resolve.canonical import canonical
from specs.resolve.context import Context, Layer
from specs.resolve.interpolate import Interpolation
from specs.resolve.merge import RULES, SERVICE_RULES, merge, merge_mappings
from specs.resolve.paths import Paths
from specs.resolve.refusal import Refusal, attempt, refusal
from specs.resolve.remote import fetch
from specs.resolve.reset import Path, apply_resets, take_resets
from specs.resolve.unique import enforce_unique
from specs.shapes.hints import hint_for
from specs.shapes.kinds import NAMES

Trail = tuple[tuple[str, str], ...]


def apply_extends(context: Context, layer: Layer, path: str, tree: Node, resets: list[Path]) -> None:
    """Replace every service that extends another by both merged."""
    section = tree.value.get("services")
    if section is None:
        return
    if type(section.value) is not dict:
        # said here: over the services of an earlier file, a null would count as nothing
        message = f"services: must be a mapping, not {NAMES.get(type(section.value), 'this')}"
        context.report.diagnostics += refusal(section, "wrong-type", message, hint_for(section, {dict})).diagnostics
        return
    for name in list(section.value):
        try:
            section.value[name] = extended(context, layer, path, name, section.value, resets, ())
        except Refusal as error:
            context.report.diagnostics += error.diagnostics
            context.losses.add("services", name)


def extended(
    context: Context, layer: Layer, path: str, name: str, services: dict[str, Node], resets: list[Path], trail: Trail
) -> Node:
    service = services[name]
    if service.value is None:
        return service
    if type(service.value) is not dict:
        if not trail:
            # the schema says so
            return service
        raise refusal(service, "wrong-type", f"services.{name}: must be a mapping")
    clause = service.value.get("extends")
    if clause is None or context.losses.cut("services", name, "extends"):
        return service
    wanted, file = target_of(clause, name)
    if wanted is None:
        return service
    base_services, base_path = services, path
    if file is not None:
        base_services, base_path = services_of(context, layer, name, wanted, file)
    elif wanted.value not in services:
        if context.losses.touch("services", wanted.value):
            context.losses.add("services", name)
            return service
        raise unknown(wanted, name, services)
    step = (base_path, name)
    if step in trail:
        circle = trail[trail.index(step) :]
        for _, each in circle:
            # told once, not once for each of them
            context.losses.add("services", each, "extends")
            context.losses.add("services", each)
        shown = " → ".join(f"{each} in {context.shown(where)}" for where, each in (*circle, step))
        raise refusal(clause, "extends-cycle", f"services extend each other in a circle: {shown}")
    base = extended(
        context, layer, base_path, wanted.value, base_services, resets if file is None else [], (*trail, step)
    )
    context.losses.inherit(name, wanted.value)
    if base.value is None:
        return service
    source = copied(base)
    apply_resets(resets, Node({"services": Node({name: source})}))
    merged = attempt(context.report, merge, source, service, SERVICE_RULES) or source
    merged.value.pop("extends", None)
    merged.key, merged.start, merged.end = service.key, service.start, service.end
    services[name] = merged
    return merged


def target_of(clause: Node, name: str) -> tuple[Node | None, Node | None]:
    """The service to start from, and the file it is in."""
    if type(clause.value) is str:
        return clause, None
    if type(clause.value) is not dict:
        return None, None
    wanted = clause.value.get("service")
    if wanted is None:
        raise refusal(clause, "missing-key", f"services.{name}.extends needs the key service")
    if type(wanted.value) is not str:
        raise refusal(wanted, "wrong-type", f"services.{name}.extends.service must be the name of a service")
    file = clause.value.get("file")
    if file is None or file.value is None:
        return wanted, None
    if type(file.value) is not str:
        raise refusal(file, "wrong-type", "the file to extend from must be a path")
    return wanted, file


def not_a_project(document: Node) -> Refusal:
    return refusal(document, "wrong-type", "a Compose file must be a mapping: services: {…}")


def unknown(wanted: Node, name: str, services: dict[str, Node]) -> Refusal:
    close = get_close_matches(wanted.value, list(services), 1)
    hint = f'did you mean "{close[0]}"?' if close else None
    message = f'service "{name}" extends "{wanted.value}", which is not defined'
    return refusal(wanted, "unknown-service", message, hint)


def services_of(context: Context, layer: Layer, name: str, wanted: Node, file: Node) -> tuple[dict[str, Node], str]:
    """The services of another file, in long form, their paths resolved against that file's folder."""
    if is_remote(file.value):
        # unlike an include's, its paths start at the repository's top: so it is in Docker Compose
        local, folder = fetch(context, file.value, file)
    else:
        local, folder = layer.find(file.value), layer.folder_of(file.value)
    root = Node({})
    try:
        documents = context.documents(local)
    except OSError as error:
        raise refusal(file, "file-missing", f"can't read {file.value}: {error.strerror}", near(local)) from None
    except Unreadable as error:
        raise Refusal(error.diagnostic) from None
    for document in documents:
        if type(document.value) is not dict:
            raise not_a_project(document)
        interpolation = Interpolation(
            layer.variables, context.report, context.losses, strict=context.strict_env, enabled=context.interpolate
        )
        tree = interpolation.document(document)
        resets = take_resets(tree)
        apply_resets(resets, root)
        attempt(context.report, merge_mappings, root, tree, RULES)
        enforce_unique(root, lenient=True)
        canonical(root, context.report, context.losses)
        attempt(context.report, enforce_unique, root)
    section = root.value.get("services")
    if section is None or type(section.value) is not dict:
        raise refusal(file, "no-services", f"{file.value} has no services")
    if wanted.value not in section.value:
        raise unknown(wanted, name, section.value)
    attempt(context.report, Paths(folder, context.home, is_remote, context.images).project, root)
    return section.value, local
