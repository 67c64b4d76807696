"""`make_plan`: the one decision of what to do. Pure: the same project, host and options give the same plan."""

from __future__ import annotations

from difflib import get_close_matches

from engine.graph.address import Address, Kind
from engine.plan.draft import Draft
from engine.plan.faults import Unplannable
from engine.plan.ignored import ignored_of
from engine.plan.images import plan_images
from engine.plan.lower.containers import Lowering
from engine.plan.lower.naming import Naming
from engine.plan.objects import plan_networks, plan_volumes, used_networks, used_volumes
from engine.plan.observed import LiveContainer, Observed
from engine.plan.options import PlanOptions
from engine.plan.order import select
from engine.plan.providers import provided_project
from engine.plan.services import ServicePlanner
from engine.plan.steps import Plan, RemoveContainer
from specs.models import Project, Service
from specs.source import Diagnostic, Severity


def make_plan(project: Project, observed: Observed, options: PlanOptions) -> Plan:
    """The steps that take what is observed to what the project asks for; none where it is so already.

    Raises Unplannable for a missing external network or volume, and for what can't be on one host.
    """
    project = provided_project(project, options.provided)
    keys = select(project, options.services, deps=options.deps)
    check_names(project, options)
    check_ports(project, keys, options)
    draft = Draft()
    renewed = plan_images(draft, project, keys, observed, options)
    naming = Naming(project.name, options.separator)
    lowering = Lowering(project, naming, options.contents, options.seal, options.profiles, options.provided)
    planner = ServicePlanner(
        draft,
        project,
        observed,
        options,
        lowering,
        targets=frozenset(options.services or keys),
        renewed_images=renewed,
        replaced_networks=plan_networks(draft, project, used_networks(project, keys), observed),
        replaced_volumes=plan_volumes(draft, project, used_volumes(project, keys), observed),
        ignored=ignored_of(project),
    )
    for key in keys:
        planner.plan(key)
    plan_orphans(draft, project, observed, options)
    return Plan(project.name, observed.engine, tuple(draft.steps), tuple(draft.warnings))


def orphans(project: Project, observed: Observed) -> list[LiveContainer]:
    """Containers of the project whose service its file doesn't know, in any profile."""
    known = project.services.keys() | project.disabled_services.keys()
    return [c for c in observed.containers if c.service not in known and not c.oneoff]


def plan_orphans(draft: Draft, project: Project, observed: Observed, options: PlanOptions) -> None:
    found = orphans(project, observed)
    if options.remove_orphans:
        for container in found:
            address = Address(Kind.SERVICE, container.service, container.number)
            draft.add(address, RemoveContainer(container.id, options.stop_seconds), "no service of the spec made it")
    elif found:
        names = ", ".join(sorted(c.name for c in found))
        text = f"found orphan containers ({names}) of project {project.name}, which no service of the spec made"
        hint = "up --remove-orphans removes them"
        draft.warnings.append(Diagnostic(Severity.WARNING, "orphan-containers", text, hint=hint))


def check_names(project: Project, options: PlanOptions) -> None:
    """What a flag says of a service that isn't there is a slip of the pen."""
    for flag, names in (("--scale", options.scale), ("--rerun", options.rerun)):
        for name in sorted(names):
            if name not in project.services:
                close = get_close_matches(name, list(project.services), 1)
                hint = f'did you mean "{close[0]}"?' if close else None
                raise Unplannable("unknown-service", f"no such service: {name} ({flag})", hint=hint)


def check_ports(project: Project, keys: list[str], options: PlanOptions) -> None:
    """Several replicas can't all publish one fixed port of the host."""
    for key in keys:
        service = project.services[key]
        count = options.scale.get(key, service.replicas)
        if count > 1 and service.container_name:
            text = f'service "{key}" asks for {count} replicas, but container_name gives them one name'
            raise Unplannable("replicas", text, "services", key, "container_name", hint="leave it out, or scale to 1")
        for number, published in fixed_ports(service) if count > 1 else ():
            raise Unplannable(
                "replicas",
                f'service "{key}" asks for {count} replicas, but all would publish port {published} of the host',
                *("services", key, "ports", number),
                hint=f"give a range ({published}-{int(published) + count - 1}), leave the host port out, or scale to 1",
            )


def fixed_ports(service: Service) -> list[tuple[str, str]]:
    """Where in the list, and which port of the host."""
    return [
        (str(number), port.published)
        for number, port in enumerate(service.ports or ())
        if port.published and port.published.isdigit() and port.published != "0"
    ]
