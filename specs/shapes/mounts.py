"""The shapes of what a service is attached to: ports, volumes, networks, other services, models."""

from __future__ import annotations

from specs.shapes.common import (
    AMOUNT,
    COUNT,
    FLAG,
    LIST_OF_STRINGS,
    LIST_OR_DICT,
    NAMES,
    OPTIONS,
)
from specs.shapes.kinds import (
    BOOLEAN,
    NULL,
    NUMBER,
    STRING,
    between,
    either,
    fields,
    keyed,
    words,
)

PORT = either(
    NUMBER,
    STRING,
    fields(
        {
            "name": STRING,
            "mode": STRING,
            "host_ip": STRING,
            "target": COUNT,
            "published": COUNT,
            "protocol": STRING,
            "app_protocol": STRING,
        }
    ),
)

MOUNT = either(
    STRING,
    fields(
        {
            "type": words("bind", "volume", "tmpfs", "cluster", "npipe", "image"),
            "source": STRING,
            "target": STRING,
            "read_only": FLAG,
            "consistency": STRING,
            "bind": fields(
                {
                    "propagation": STRING,
                    "create_host_path": FLAG,
                    "recursive": words("enabled", "disabled", "writable", "readonly"),
                    "selinux": words("z", "Z"),
                }
            ),
            "volume": fields({"labels": LIST_OR_DICT, "nocopy": FLAG, "subpath": STRING}),
            "tmpfs": fields({"size": either(between(0), STRING), "mode": AMOUNT}),
            "image": fields({"subpath": STRING}),
        },
        required=["type"],
    ),
)

ATTACHMENTS = either(
    LIST_OF_STRINGS,
    keyed(
        NAMES,
        either(
            fields(
                {
                    "aliases": LIST_OF_STRINGS,
                    "interface_name": STRING,
                    "ipv4_address": STRING,
                    "ipv6_address": STRING,
                    "link_local_ips": LIST_OF_STRINGS,
                    "mac_address": STRING,
                    "driver_opts": OPTIONS,
                    "priority": NUMBER,
                    "gw_priority": NUMBER,
                }
            ),
            NULL,
        ),
    ),
)

DEPENDS_ON = either(
    LIST_OF_STRINGS,
    keyed(
        NAMES,
        fields(
            {
                "restart": FLAG,
                "required": BOOLEAN,
                "condition": words("service_started", "service_healthy", "service_completed_successfully"),
            },
            required=["condition"],
        ),
    ),
)

MODEL_ATTACHMENTS = either(
    LIST_OF_STRINGS, keyed(NAMES, either(fields({"endpoint_var": STRING, "model_var": STRING}), NULL), strict=False)
)
