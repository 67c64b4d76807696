"""Container names must differ: two containers of one name can't be."""

from __future__ import annotations

from specs.check.subject import Subject


def container_names_differ(subject: Subject) -> None:
    taken: dict[str, str] = {}
    for service, fields in subject.services.items():
        name = fields.get("container_name")
        if not name:
            continue
        if name in taken:
            subject.report.error(
                "name-taken",
                f'services "{taken[name]}" and "{service}" both want the container name {name}',
                subject.at("services", service, "container_name"),
                hint="give each its own, or none: containers are named after project and service",
                related=subject.related("also wanted here", "services", taken[name], "container_name"),
            )
        taken.setdefault(name, service)
