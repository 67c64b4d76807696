"""What must hold between the parts of a resolved project: one function a rule, every fault at once.

Runs on the typed values of the active services and on the merged nodes, which know the places. What Compose's own
consistency check refuses is an error here, and nothing else is; what only we notice is a warning.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from specs.check import addresses, agreement, cycles, entries, images, ours, references, replicas
from specs.check.subject import Rule, Subject
from specs.losses import Losses
from specs.node import Node
from specs.source import Diagnostic, Report

RULES: tuple[Rule, ...] = (
    agreement.has_an_image,
    images.reference_can_be,
    agreement.restart_is_a_policy,
    agreement.one_dockerfile,
    references.build_contexts,
    agreement.platform_is_built,
    agreement.network_mode_or_networks,
    references.networks,
    agreement.health_test_has_a_kind,
    references.dependencies,
    references.volumes,
    references.build_secrets,
    references.configs,
    references.models,
    references.secrets,
    agreement.limits_agree,
    agreement.counts_are_not_negative,
    agreement.one_container_one_name,
    agreement.watch_has_a_target,
    agreement.targets_are_mounted_once,
)


def check(
    values: Mapping[str, Any],
    root: Node,
    report: Report,
    *,
    disabled: Mapping[str, Collection[str]] | None = None,
    losses: Losses | None = None,
) -> None:
    """Append every fault to the report. `disabled`: services out of every active profile → their profiles; `losses`:
    what earlier faults took away, of which nothing is said here.

    `values` has `services`, `networks`, `volumes`, `secrets`, `configs`, `models`: name → typed fields.
    """
    subject = Subject(values, root, report, disabled or {}, losses or Losses())
    known = len(report)
    for name, service in subject.services.items():
        for rule in RULES:
            rule(subject, name, service)
    references.secrets_have_a_source(subject)
    agreement.container_names_are_unique(subject)
    cycles.no_cycles(subject)
    replicas.fixed_ports(subject)
    addresses.subnets(subject)
    ours.options(subject)
    entries.references(subject)
    report.diagnostics[known:] = sorted(report.diagnostics[known:], key=by_place)


def by_place(diagnostic: Diagnostic) -> tuple[str, int, int]:
    """The order of reading; rules run service by service, sorted by name."""
    span = diagnostic.span
    return (span.file, span.line, span.column) if span else ("", 0, 0)
