"""The fields of everything that a service or a project is made of, in Compose's order."""

from __future__ import annotations

from typing import Any

from specs.typed.kinds import (
    COMMAND,
    COUNT,
    DURATION,
    EXTENSIONS,
    EXTERNAL,
    FLAG,
    HEALTH_TEST,
    HOSTS,
    LOOSE_TEXTS,
    MAPPING,
    MODE,
    MULTI_OPTIONS,
    NATURAL,
    NULLABLE_MAPPING,
    NUMBER,
    OPTIONS,
    PORT_NUMBER,
    REAL,
    SET_DURATION,
    SET_FLAG,
    SET_NATURAL,
    SET_NUMBER,
    SET_TEXT,
    SIZE,
    SMALL,
    SSH,
    STRICT_OPTIONS,
    TEXT,
    TEXTS,
    TRUTH_OR_TEXT,
    ULIMIT,
    Kind,
    list_of,
    map_of,
    structure,
)

Fields = dict[str, Kind]


def either(value: dict[str, Any], name: str) -> Any:
    """A field under its own name or, from a model, under Go's."""
    return value.get(name, value.get(name.capitalize(), ""))


def encode_weight(value: dict[str, Any]) -> dict[str, Any]:
    """These two keys have no JSON names in Compose, so Go's own appear."""
    return {"Path": either(value, "path"), "Weight": either(value, "weight") or 0}


def encode_throttle(value: dict[str, Any]) -> dict[str, Any]:
    return {"Path": either(value, "path"), "Rate": str(either(value, "rate") or 0)}


def encode_env_file(value: dict[str, Any]) -> Any:
    """A required one is its path alone."""
    if value.get("required", True):
        return value.get("path", "")
    return {name: value[name] for name in ("path", "required", "format") if name in value}


def encode_file_object(value: dict[str, Any]) -> dict[str, Any]:
    """Content that came from the environment is not printed."""
    hidden = {EXTENSIONS, "content"} if value.get("environment") or not value.get("content") else {EXTENSIONS}
    return {name: item for name, item in value.items() if name not in hidden}


def encode_watch(value: dict[str, Any]) -> dict[str, Any]:
    return {"path": "", "action": ""} | {name: item for name, item in value.items() if name != EXTENSIONS}


FILE_REFERENCE: Fields = {"source": TEXT, "target": TEXT, "uid": TEXT, "gid": TEXT, "mode": MODE}
FILE_REFERENCES = list_of(structure(FILE_REFERENCE))
ULIMITS = map_of(ULIMIT)

BUILD: Fields = {
    "context": TEXT,
    "dockerfile": TEXT,
    "dockerfile_inline": TEXT,
    "entitlements": TEXTS,
    "args": NULLABLE_MAPPING,
    "provenance": TRUTH_OR_TEXT,
    "sbom": TRUTH_OR_TEXT,
    "ssh": SSH,
    "labels": MAPPING,
    "cache_from": LOOSE_TEXTS,
    "cache_to": LOOSE_TEXTS,
    "no_cache": FLAG,
    "additional_contexts": MAPPING,
    "pull": FLAG,
    "extra_hosts": HOSTS,
    "isolation": TEXT,
    "network": TEXT,
    "target": TEXT,
    "secrets": FILE_REFERENCES,
    "shm_size": SIZE,
    "tags": LOOSE_TEXTS,
    "ulimits": ULIMITS,
    "platforms": LOOSE_TEXTS,
    "privileged": FLAG,
}
HOOK: Fields = {
    "command": COMMAND,
    "user": TEXT,
    "privileged": FLAG,
    "working_dir": TEXT,
    "environment": NULLABLE_MAPPING,
}
WATCH: Fields = {
    "path": TEXT,
    "action": TEXT,
    "target": TEXT,
    "exec": structure(HOOK, keep=("command",)),
    "include": LOOSE_TEXTS,
    "ignore": LOOSE_TEXTS,
    "initial_sync": FLAG,
}
DEVELOP: Fields = {"watch": list_of(structure(WATCH, always=("exec",), encode=encode_watch))}
WEIGHT = structure({"path": TEXT, "weight": SMALL}, encode=encode_weight)
THROTTLE = structure({"path": TEXT, "rate": SIZE}, encode=encode_throttle)
BLKIO: Fields = {
    "weight": SMALL,
    "weight_device": list_of(WEIGHT),
    "device_read_bps": list_of(THROTTLE),
    "device_read_iops": list_of(THROTTLE),
    "device_write_bps": list_of(THROTTLE),
    "device_write_iops": list_of(THROTTLE),
}
DEVICE: Fields = {"source": TEXT, "target": TEXT, "permissions": TEXT}
DEVICE_REQUEST: Fields = {
    "capabilities": TEXTS,
    "driver": TEXT,
    "count": COUNT,
    "device_ids": TEXTS,
    "options": MAPPING,
}
UPDATE: Fields = {
    "parallelism": SET_NATURAL,
    "delay": DURATION,
    "failure_action": TEXT,
    "monitor": DURATION,
    "max_failure_ratio": REAL,
    "order": TEXT,
}
DISCRETE = structure({"kind": TEXT, "value": NUMBER}, encode=lambda value: {"kind": "", "value": 0} | value)
RESOURCE_SET: Fields = {
    "cpus": REAL,
    "memory": SIZE,
    "pids": NUMBER,
    "devices": list_of(structure(DEVICE_REQUEST)),
    "generic_resources": list_of(structure({"discrete_resource_spec": DISCRETE})),
}
RESOURCES: Fields = {"limits": structure(RESOURCE_SET), "reservations": structure(RESOURCE_SET)}
RESTART: Fields = {
    "condition": TEXT,
    "delay": SET_DURATION,
    "max_attempts": SET_NATURAL,
    "window": SET_DURATION,
}
PLACEMENT: Fields = {
    "constraints": TEXTS,
    "preferences": list_of(structure({"spread": TEXT})),
    "max_replicas_per_node": NATURAL,
}
DEPLOY: Fields = {
    "mode": TEXT,
    "replicas": SET_NUMBER,
    "labels": MAPPING,
    "update_config": structure(UPDATE),
    "rollback_config": structure(UPDATE),
    "resources": structure(RESOURCES),
    "restart_policy": structure(RESTART),
    "placement": structure(PLACEMENT),
    "endpoint_mode": TEXT,
}
PORT: Fields = {
    "name": TEXT,
    "mode": TEXT,
    "host_ip": TEXT,
    "target": PORT_NUMBER,
    "published": TEXT,
    "protocol": TEXT,
    "app_protocol": TEXT,
}
MOUNT: Fields = {
    "type": TEXT,
    "source": TEXT,
    "target": TEXT,
    "read_only": FLAG,
    "consistency": TEXT,
    "bind": structure({"selinux": TEXT, "propagation": TEXT, "create_host_path": FLAG, "recursive": TEXT}),
    "volume": structure({"labels": MAPPING, "nocopy": FLAG, "subpath": TEXT}),
    "tmpfs": structure({"size": SIZE, "mode": PORT_NUMBER}),
    "image": structure({"subpath": TEXT}),
}
ATTACHMENT: Fields = {
    "aliases": TEXTS,
    "driver_opts": OPTIONS,
    "gw_priority": NUMBER,
    "interface_name": TEXT,
    "ipv4_address": TEXT,
    "ipv6_address": TEXT,
    "link_local_ips": TEXTS,
    "mac_address": TEXT,
    "priority": NUMBER,
}
HEALTHCHECK: Fields = {
    "test": HEALTH_TEST,
    "timeout": SET_DURATION,
    "interval": SET_DURATION,
    "retries": SET_NATURAL,
    "start_period": SET_DURATION,
    "start_interval": SET_DURATION,
    "disable": FLAG,
}
DEPENDENCY: Fields = {"condition": TEXT, "restart": FLAG, "required": SET_FLAG}
LOGGING: Fields = {"driver": TEXT, "options": OPTIONS}
CREDENTIAL_SPEC: Fields = {"config": TEXT, "file": TEXT, "registry": TEXT}
PROVIDER: Fields = {"type": TEXT, "options": MULTI_OPTIONS}
ENV_FILE: Fields = {"path": TEXT, "required": SET_FLAG, "format": TEXT}
MODEL_ATTACHMENT: Fields = {"endpoint_var": TEXT, "model_var": TEXT}
EXTENDS: Fields = {"file": TEXT, "service": TEXT}

POOL: Fields = {"subnet": TEXT, "gateway": TEXT, "ip_range": TEXT, "aux_addresses": MAPPING}
IPAM: Fields = {"driver": TEXT, "config": list_of(structure(POOL))}
NETWORK: Fields = {
    "name": TEXT,
    "driver": TEXT,
    "driver_opts": OPTIONS,
    "ipam": structure(IPAM),
    "external": EXTERNAL,
    "internal": FLAG,
    "attachable": FLAG,
    "labels": MAPPING,
    "enable_ipv4": SET_FLAG,
    "enable_ipv6": SET_FLAG,
}
VOLUME: Fields = {"name": TEXT, "driver": TEXT, "driver_opts": OPTIONS, "external": EXTERNAL, "labels": MAPPING}
FILE_OBJECT: Fields = {
    "name": TEXT,
    "file": TEXT,
    "environment": TEXT,
    # empty is what a variable may be, and not what one is that nobody has set
    "content": SET_TEXT,
    "external": EXTERNAL,
    "labels": MAPPING,
    "driver": TEXT,
    "driver_opts": STRICT_OPTIONS,
    "template_driver": TEXT,
}
LANGUAGE_MODEL: Fields = {"name": TEXT, "model": TEXT, "context_size": NUMBER, "runtime_flags": TEXTS}
