"""`rorqual validate`: every complaint at once, for people, for machines, for code review."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated, cast

import typer

from engine.cli.dockerfiles import check_dockerfiles
from engine.cli.exitcodes import CLEAN, FINDINGS, UNREADABLE
from engine.cli.options import ProjectOptions, with_options
from engine.cli.render.diagnostics import RENDERERS
from engine.cli.request import request_of
from specs.check.capabilities import RUNTIMES, Runtime, check_capabilities
from specs.load import load
from specs.source import Report, Severity

# What stands for "no file was read", unlike a file with faults in it.
NOT_READ = frozenset({"no-file", "file-missing", "file-unreadable", "file-too-large"})


@with_options(ProjectOptions)
def validate(
    project: ProjectOptions,
    files: Annotated[list[str] | None, typer.Argument(help="Compose files, each by itself; instead of -f")] = None,
    format: Annotated[str, typer.Option("--format", help="text, json, sarif or github")] = "text",
    fail_on: Annotated[str, typer.Option("--fail-on", help="error or warning")] = "error",
    strict_env: Annotated[bool, typer.Option("--strict-env", help="An unset variable is an error")] = False,
    runtime: Annotated[
        str, typer.Option("--runtime", help="Whose limits to check: docker, podman, rorqual")
    ] = "docker",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing; the exit code tells")] = False,
) -> None:
    """Say everything that is wrong with the files. Exit code 0: clean, 1: findings, 2: could not read.

    Example: rorqual validate --format github --fail-on warning
    """
    one_of("--format", format, RENDERERS)
    one_of("--fail-on", fail_on, ("error", "warning"))
    one_of("--runtime", runtime, RUNTIMES)
    if files and project.file:
        raise typer.BadParameter("name files with -f (merged) or as arguments (each by itself), not both")
    report = Report()
    for options in [as_only_file(project, name) for name in files] if files else [project]:
        report.diagnostics += findings(options, strict_env, runtime)
    if not quiet and (len(report) or format in {"json", "sarif"}):
        print(RENDERERS[format](report))
    raise typer.Exit(exit_code(report, fail_on))


def one_of(flag: str, value: str, allowed: Iterable[str]) -> None:
    words = list(allowed)
    if value not in words:
        raise typer.BadParameter(f"{flag} takes {', '.join(words)}, not {value!r}")


def as_only_file(options: ProjectOptions, name: str) -> ProjectOptions:
    return replace(options, file=[name])


def findings(options: ProjectOptions, strict_env: bool, runtime: str) -> Report:
    loaded = load(request_of(options, strict_env=strict_env))
    if loaded.root is not None and not loaded.report.failed:
        check_capabilities(loaded.root, cast(Runtime, runtime), loaded.report, strict=options.strict)
        check_dockerfiles(loaded.values or {}, loaded.report)
    return loaded.report


def exit_code(report: Report, fail_on: str) -> int:
    if any(d.severity is Severity.ERROR and d.code in NOT_READ for d in report):
        return UNREADABLE
    bad = {Severity.ERROR, Severity.WARNING} if fail_on == "warning" else {Severity.ERROR}
    return FINDINGS if any(d.severity in bad for d in report) else CLEAN
