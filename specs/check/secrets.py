"""A secret must have a source, whatever its driver."""

from __future__ import annotations

from specs.check.subject import Subject


def secrets_have_a_source(subject: Subject) -> None:
    for name, secret in subject.section("secrets").items():
        if not any(secret.get(key) for key in ("external", "file", "environment")):
            subject.report.error(
                "missing-key",
                f'secret "{name}" has neither a file nor an environment variable to take its content from',
                subject.key("secrets", name),
                hint="add `file: PATH` or `environment: NAME`, or `external: true`",
            )
