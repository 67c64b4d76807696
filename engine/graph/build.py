"""The dependency graph of a project: every object a node, every reference an edge with its reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from engine.graph.address import Address, Kind
from engine.graph.dockerfiles import images_below
from specs.models import Build, Project, Service


@dataclass(frozen=True, slots=True)
class Edge:
    """`source` needs `target`; `because` is the key that says so (`depends_on (service_healthy)`)."""

    source: Address
    target: Address
    because: str


@dataclass(slots=True)
class Graph:
    """Nodes in the order of the file; edges from each node to what it needs."""

    project: str
    nodes: list[Address] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)

    def needs(self, node: Address) -> list[Edge]:
        return [edge for edge in self.edges if edge.source == node]


def build_graph(project: Project) -> Graph:
    """Images, networks, volumes, configs, secrets and replicas that active services use, and what needs what."""
    edges = [edge for key, service in project.services.items() for edge in service_edges(project, key, service)]
    edges += [edge for image, build in built_images(project) for edge in image_edges(project, image, build)]
    edges = list(dict.fromkeys(edges))
    nodes = dict.fromkeys(edge.target for edge in edges if edge.target.kind is not Kind.SERVICE)
    nodes |= dict.fromkeys(Address(Kind.IMAGE, name) for name in project.images)
    nodes |= dict.fromkeys(a for key, service in project.services.items() for a in replicas(key, service))
    return Graph(project.name, list(nodes), [e for e in edges if e.target in nodes])


def replicas(key: str, service: Service) -> list[Address]:
    return [Address(Kind.SERVICE, key, number) for number in range(1, service.replicas + 1)]


def service_edges(project: Project, key: str, service: Service) -> Iterator[Edge]:
    for target, because in service_needs(project, key, service):
        for source in replicas(key, service):
            yield Edge(source, target, because)


def service_needs(project: Project, key: str, service: Service) -> Iterator[tuple[Address, str]]:
    if service.provider is None:
        yield (
            image_of(project, key, service),
            "build" if service.build and service.image not in project.images else "image",
        )
    for name in service.networks or ():
        yield Address(Kind.NETWORK, name), "networks"
    for mount in service.volumes or ():
        if mount.type == "volume" and mount.source in project.volumes:
            yield Address(Kind.VOLUME, mount.source), "volumes"
    for reference in service.configs or ():
        yield Address(Kind.CONFIG, reference.source or ""), "configs"
    for reference in service.secrets or ():
        yield Address(Kind.SECRET, reference.source or ""), "secrets"
    for name, because in service_references(service):
        if name in project.services:
            for target in replicas(name, project.services[name]):
                yield target, because


def service_references(service: Service) -> Iterator[tuple[str, str]]:
    for name, dependency in (service.depends_on or {}).items():
        yield name, f"depends_on ({dependency.condition})"
    for word, mode in (("network_mode", service.network_mode), ("ipc", service.ipc), ("pid", service.pid)):
        if mode and mode.startswith("service:"):
            yield mode.removeprefix("service:"), word
    for link in service.links or ():
        yield link.partition(":")[0], "links"
    for entry in service.volumes_from or ():
        if not entry.startswith("container:"):
            yield entry.partition(":")[0], "volumes_from"


def image_of(project: Project, key: str, service: Service) -> Address:
    if service.image in project.images:
        return Address(Kind.IMAGE, service.image)
    return Address(Kind.IMAGE, key if service.build is not None else service.image or key)


def image_edges(project: Project, image: Address, build: Build) -> Iterator[Edge]:
    """What a build takes from other images of the project: named contexts, and the FROM lines of its Dockerfile."""
    for value in (build.additional_contexts or {}).values():
        if value in project.images:
            yield Edge(image, Address(Kind.IMAGE, value), "additional_contexts")
    for name in images_below(project, build):
        yield Edge(image, Address(Kind.IMAGE, name), "FROM")


def built_images(project: Project) -> Iterator[tuple[Address, Build]]:
    for name, image in project.images.items():
        if image.build is not None:
            yield Address(Kind.IMAGE, name), image.build
    for key, service in project.services.items():
        if service.build is not None and service.image not in project.images:
            yield image_of(project, key, service), service.build
