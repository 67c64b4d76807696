"""agent.yaml → Settings, every fault of it in one Report. Called by the commands and by sources that declare more."""

from __future__ import annotations

from pathlib import Path

from engine.gitops.settings.build import build_settings, build_source
from engine.gitops.settings.check import check_settings, check_sources
from engine.gitops.settings.models import Policy, Settings, SourceSettings
from engine.gitops.settings.shape import DECLARED, SETTINGS
from specs.node import Node
from specs.openfile import read_bytes
from specs.read import Unreadable, read
from specs.shapes.kinds import Fault, Shape
from specs.source import Diagnostic, Report, Severity, Span, SpecInvalid


def read_settings(path: Path) -> tuple[Settings, Report]:
    """The settings, and what is only worth a warning. Raises SpecInvalid with the whole report."""
    report = Report()
    root = tree(path, str(path), SETTINGS, report)
    check_settings(root, report)
    if report.failed:
        raise SpecInvalid(ordered(report))
    return build_settings(path.absolute(), root), ordered(report)


def read_declared(path: Path, shown: str, defaults: Policy) -> tuple[SourceSettings, ...]:
    """The sources that a file within a source declares. Raises SpecInvalid."""
    report = Report()
    root = tree(path, shown, DECLARED, report)
    check_sources(root, report)
    if report.failed:
        raise SpecInvalid(ordered(report))
    return tuple(build_source(name, node, defaults) for name, node in root.value["sources"].value.items())


def tree(path: Path, shown: str, shape: Shape, report: Report) -> Node:
    """The file's one document, checked against its shape. Raises SpecInvalid where later checks would be of no use."""
    start = Span(shown, 1, 1, 1, 1)
    try:
        found = read(read_bytes(str(path)), shown)
    except OSError as error:
        report.error("file-missing", f"can't read {shown}: {error.strerror}", start)
        raise SpecInvalid(report) from None
    except Unreadable as error:
        report.diagnostics.append(error.diagnostic)
        raise SpecInvalid(report) from None
    report.diagnostics += found.diagnostics
    if len(found.documents) != 1:
        report.error("wrong-type", "the file must hold one document: sources: {…}", start)
        raise SpecInvalid(report)
    root = found.documents[0]
    report.diagnostics += [diagnostic_of(fault) for fault in shape.check(root) or ()]
    if report.failed:
        # with the shape broken, what else is wrong is told where it can be
        if type(root.value) is dict:
            check_settings(root, report)
        raise SpecInvalid(ordered(report))
    return root


def diagnostic_of(fault: Fault) -> Diagnostic:
    path = ".".join(reversed(fault.path))
    message = f"{path}: {fault.message}" if path else fault.message
    span = fault.node.key_span if fault.at_key else fault.node.span
    return Diagnostic(Severity.ERROR, fault.code, message, span, fault.hint)


def ordered(report: Report) -> Report:
    """From the top of the file down."""

    def key(each: Diagnostic) -> tuple[int, int]:
        return (each.span.line, each.span.column) if each.span else (0, 0)

    return Report(sorted(report.diagnostics, key=key))
