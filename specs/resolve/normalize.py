"""What Compose makes of the whole: implicit networks and dependencies, names, the Dockerfile, build arguments."""

from __future__ import annotations

from specs.node import Node, planted
from specs.resolve.environment import SECRET_CONTENT
from specs.resolve.interpolate import Variables, given_outside
from specs.resolve.short import clean

NAMESPACES = ("network_mode", "ipc", "pid", "uts", "cgroup")


def normalize(root: Node, name: str, variables: Variables) -> None:
    services = root.get("services")
    all_services = services.value if services is not None and type(services.value) is dict else {}
    attach_default_network(root, all_services)
    for service in all_services.values():
        normalize_service(service, variables)
    for kind in ("networks", "volumes", "configs", "secrets"):
        section = root.get(kind)
        for key, resource in section.value.items() if section is not None else ():
            name_resource(resource, key, name)
            name_content(resource)


def attach_default_network(root: Node, services: dict[str, Node]) -> None:
    uses_default = False
    for service in services.values():
        if "provider" in service.value or "network_mode" in service.value:
            continue
        networks = service.value.get("networks")
        if networks is None or not networks.value:
            service.value["networks"] = planted({"default": None}, networks or service)
            uses_default = True
        elif "default" in networks.value:
            uses_default = True
    if uses_default:
        section = root.value.setdefault("networks", root.at({}))
        section.value.setdefault("default", root.at(None))


def name_resource(resource: Node, key: str, project: str) -> None:
    if resource.value is None:
        resource.value = {}
    if type(resource.value) is not dict:
        # Compose's schema lets anything pass under a name that it does not like; typing does not
        return
    given = resource.value.get("name")
    if given is None or given.value is None:
        external = resource.value.get("external")
        is_external = external is not None and str(external.value) in {"True", "true", "TRUE", "1", "t", "T"}
        resource.value["name"] = resource.at(key if is_external else f"{project}_{key}")


def name_content(resource: Node) -> None:
    """A secret's value from a variable takes the name that a config's has: the schema would not have let it pass."""
    if type(resource.value) is dict and SECRET_CONTENT in resource.value:
        resource.value["content"] = resource.value.pop(SECRET_CONTENT)


def normalize_service(service: Node, variables: Variables) -> None:
    values: dict[str, Node] = service.value
    policy = values.get("pull_policy")
    if policy is not None and policy.value == "if_not_present":
        policy.value = "missing"
    build = values.get("build")
    if build is not None and type(build.value) is dict:
        normalize_build(build, variables)
    environment = values.get("environment")
    if environment is not None:
        fill(environment, variables, keep_unset=True)
    for mount in values["volumes"].value if "volumes" in values else ():
        target = mount.value.get("target")
        if target is not None and type(target.value) is str:
            target.value = clean(target.value)
    imply_dependencies(service)


def normalize_build(build: Node, variables: Variables) -> None:
    build.value.setdefault("context", build.at("."))
    if "dockerfile" not in build.value and "dockerfile_inline" not in build.value:
        build.value["dockerfile"] = build.at("Dockerfile")
    arguments = build.value.get("args")
    if arguments is not None:
        fill(arguments, variables, keep_unset=False)


def fill(node: Node, variables: Variables, *, keep_unset: bool) -> None:
    """Names without a value get it from the environment; those that have none there stay, or go."""
    known = variables.values
    if type(node.value) is dict:
        filled: dict[str, Node] = {}
        for name, child in node.value.items():
            if child.value is not None:
                filled[name] = child
            elif name in known:
                filled[name] = given_outside(child, name, known[name], variables)
            elif keep_unset:
                filled[name] = child
        node.value = filled
    elif type(node.value) is list:
        found: list[Node] = []
        for item in node.value:
            if not isinstance(item.value, str) or "=" in item.value:
                found.append(item)
            elif item.value in known:
                name = item.value
                found.append(given_outside(item, name, f"{name}={known[name]}", variables))
            elif keep_unset:
                found.append(item)
        node.value = found


def imply_dependencies(service: Node) -> None:
    """links, volumes_from and shared namespaces are dependencies too."""
    values: dict[str, Node] = service.value
    implied: list[tuple[str, Node, bool]] = []
    for link in values["links"].value if "links" in values else ():
        parts = link.value.split(":")
        implied.append((parts[0] if len(parts) == 2 else link.value, link, True))
    for namespace in NAMESPACES:
        node = values.get(namespace)
        if node is not None and type(node.value) is str and node.value.startswith("service:"):
            implied.append((node.value[len("service:") :], node, True))
    for source in values["volumes_from"].value if "volumes_from" in values else ():
        if not source.value.startswith("container:"):
            implied.append((source.value.split(":")[0], source, False))
    if not implied:
        return
    depends_on = values.get("depends_on")
    if depends_on is None:
        depends_on = values["depends_on"] = implied[0][1].at({})
    for name, node, restart in implied:
        if name not in depends_on.value:
            dependency = {"condition": "service_started", "restart": restart, "required": True}
            depends_on.value[name] = planted(dependency, node)
