"""Several containers of a service can't share one port of the host: a warning here, an error when it is planned."""

from __future__ import annotations

from specs.check.agreement import replica_count
from specs.check.subject import Service, Subject


def fixed_ports(subject: Subject) -> None:
    for name, service in subject.services.items():
        count = replica_count(service)
        if count < 2 or service.get("network_mode") == "host":
            continue
        for index, port in enumerate(service.get("ports") or ()):
            published = port.get("published") or ""
            if published and ports_in(published) < count:
                subject.report.warning(
                    "fixed-port-many-replicas",
                    f'service "{name}" wants {count} containers; host port {published} does not do for all',
                    subject.at("services", name, "ports", index),
                    hint=f"publish a range of {count} ports (each container takes one), or none, or run one container",
                    related=subject.related(
                        f"{count} containers are asked for here", "services", name, *asked(service)
                    ),
                )


def asked(service: Service) -> tuple[str, ...]:
    return ("scale",) if service.get("scale") is not None else ("deploy", "replicas")


def ports_in(published: str) -> int:
    """How many host ports `8000-8002` is; port 0 is as many as are wanted."""
    low, _, high = published.partition("-")
    if not (low.isdecimal() and (high or low).isdecimal()) or int(low) == 0:
        return 1 << 16
    return int(high or low) - int(low) + 1
