"""The shapes of `deploy` and `develop`."""

from __future__ import annotations

from specs.shapes.common import (
    AMOUNT,
    COUNT,
    DEVICES,
    HOOK,
    LIST_OR_DICT,
    STRING_OR_LIST,
)
from specs.shapes.kinds import (
    BOOLEAN,
    NULL,
    STRING,
    each,
    either,
    fields,
    words,
)

GENERIC_RESOURCES = each(fields({"discrete_resource_spec": fields({"kind": STRING, "value": AMOUNT})}))

UPDATE_CONFIG = fields(
    {
        "parallelism": COUNT,
        "delay": STRING,
        "failure_action": STRING,
        "monitor": STRING,
        "max_failure_ratio": AMOUNT,
        "order": words("start-first", "stop-first"),
    }
)

DEPLOYMENT = either(
    fields(
        {
            "mode": STRING,
            "endpoint_mode": STRING,
            "replicas": COUNT,
            "labels": LIST_OR_DICT,
            "rollback_config": UPDATE_CONFIG,
            "update_config": UPDATE_CONFIG,
            "resources": fields(
                {
                    "limits": fields({"cpus": AMOUNT, "memory": STRING, "pids": COUNT}),
                    "reservations": fields(
                        {"cpus": AMOUNT, "memory": STRING, "generic_resources": GENERIC_RESOURCES, "devices": DEVICES}
                    ),
                }
            ),
            "restart_policy": fields({"condition": STRING, "delay": STRING, "max_attempts": COUNT, "window": STRING}),
            "placement": fields(
                {
                    "constraints": each(STRING),
                    "preferences": each(fields({"spread": STRING})),
                    "max_replicas_per_node": COUNT,
                }
            ),
        }
    ),
    NULL,
)

DEVELOPMENT = either(
    fields(
        {
            "watch": each(
                fields(
                    {
                        "ignore": STRING_OR_LIST,
                        "include": STRING_OR_LIST,
                        "path": STRING,
                        "action": words("rebuild", "sync", "restart", "sync+restart", "sync+exec"),
                        "target": STRING,
                        "exec": HOOK,
                        "initial_sync": BOOLEAN,
                    },
                    required=["path", "action"],
                )
            )
        }
    ),
    NULL,
)
