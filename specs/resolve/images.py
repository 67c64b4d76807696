"""`images:` of ours, typed: short forms expanded, paths absolute, each with its local reference (LANGUAGE.md)."""

from __future__ import annotations

import os
from typing import Any

from specs.node import Node, copied
from specs.resolve import canonical
from specs.resolve.interpolate import Variables
from specs.resolve.normalize import normalize_build
from specs.resolve.paths import Paths
from specs.resolve.refusal import Refusal, refusal
from specs.resolve.short import split_command
from specs.shapes.image import IMAGES
from specs.source import Report
from specs.typed import parts
from specs.typed.gathered import mapping, texts
from specs.typed.kinds import structure

Values = dict[str, Any]
BUILD = structure(parts.BUILD)


def typed_images(root: Node, project: str, paths: Paths, variables: Variables, report: Report) -> dict[str, Values]:
    """Those at top level, and those under `x-rorqual` where a file must stay valid Compose; the former win."""
    found: dict[str, Values] = {}
    for node in (root.get("x-rorqual", "images"), root.get("images")):
        if node is None or node.value is None:
            continue
        faults = IMAGES.check(node)
        for fault in faults or ():
            steps = ".".join(("images", *reversed(fault.path)))
            place = fault.node.key_span if fault.at_key else fault.node
            report.diagnostics += refusal(place, fault.code, f"{steps}: {fault.message}", fault.hint).diagnostics
        for name, image in () if faults else node.value.items():
            try:
                found[name] = typed_image(image, paths, variables)
                tags = found[name].get("tags") or [f"{project}-{name}:latest"]
                # what is pulled stands under the name that it is pulled by
                found[name]["reference"] = found[name].get("pull") or tags[0]
            except Refusal as error:
                report.diagnostics += error.diagnostics
    return found


def typed_image(node: Node, paths: Paths, variables: Variables) -> Values:
    values: Values = {}
    for key, child in node.value.items():
        match key:
            case "build":
                values[key] = typed_build(copied(child), paths, variables)
            case "debian":
                values[key] = typed_debian(child, paths)
            case "archive":
                values[key] = paths.absolute(child.value)
            case "tags":
                values[key] = texts(child)
            case "verify":
                values[key] = {"cosign": paths.absolute(child.value["cosign"].value)}
            case _ if not key.startswith("x-"):
                values[key] = child.value
    return values


def typed_build(node: Node, paths: Paths, variables: Variables) -> Values:
    build = canonical.build(node)
    normalize_build(build, variables)
    paths.build(build)
    return dict(BUILD.decode(build))


def typed_debian(node: Node, paths: Paths) -> Values:
    values: Values = {}
    for key, child in node.value.items():
        match key:
            case "packages":
                values[key] = texts(child)
            case "files":
                values[key] = debian_files(child, paths)
            case "env" | "labels":
                values[key] = mapping(child)
            case "entrypoint" | "cmd":
                if child.value is not None:
                    values[key] = split_command(child) if type(child.value) is str else texts(child)
            case _ if not key.startswith("x-"):
                values[key] = child.value
    return values


def debian_files(node: Node, paths: Paths) -> list[Values]:
    """`HOST: IMAGE`, `HOST: {target, mode, owner}`, or a list of `HOST:IMAGE` and long forms."""
    found: list[Values] = []
    if type(node.value) is dict:
        for source, child in node.value.items():
            rest = {"target": child.value} if type(child.value) is str else long_form(child)
            found.append({"source": source} | rest)
    else:
        for item in node.value:
            if type(item.value) is not str:
                found.append(long_form(item))
                continue
            source, colon, target = item.value.rpartition(":")
            if not colon or not source:
                raise refusal(item, "bad-file", f"{item.value!r} must be HOST-PATH:IMAGE-PATH")
            found.append({"source": source, "target": target})
    for entry in found:
        if "source" not in entry or "target" not in entry:
            raise refusal(node, "missing-key", "a file needs a source and a target")
        entry["source"] = paths.absolute(os.path.normpath(entry["source"]))
    return found


def long_form(node: Node) -> Values:
    found = {key: child.value for key, child in node.value.items()}
    if "mode" in found:
        try:
            found["mode"] = int(found["mode"], 8)
        except ValueError:
            raise refusal(node.value["mode"], "bad-mode", f"{found['mode']!r} is no octal mode, such as 0644") from None
    return found
