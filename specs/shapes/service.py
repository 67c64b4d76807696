"""The shape of a service and of its build."""

from __future__ import annotations

from specs.shapes.common import (
    AMOUNT,
    COMMAND,
    COUNT,
    ENV_FILE,
    EXTRA_HOSTS,
    FILE_REFERENCES,
    FLAG,
    GPUS,
    HOOK,
    LABEL_FILE,
    LIST_OF_STRINGS,
    LIST_OR_DICT,
    STRING_OR_LIST,
    ULIMITS,
)
from specs.shapes.deploy import DEPLOYMENT, DEVELOPMENT
from specs.shapes.kinds import (
    ANY,
    BOOLEAN,
    NULL,
    NUMBER,
    STRING,
    between,
    each,
    either,
    fields,
    keyed,
    matching,
    words,
)
from specs.shapes.mounts import ATTACHMENTS, DEPENDS_ON, MODEL_ATTACHMENTS, MOUNT, PORT

BUILD = either(
    STRING,
    fields(
        {
            "context": STRING,
            "dockerfile": STRING,
            "dockerfile_inline": STRING,
            "entitlements": each(STRING),
            "args": LIST_OR_DICT,
            "ssh": LIST_OR_DICT,
            "labels": LIST_OR_DICT,
            "cache_from": each(STRING),
            "cache_to": each(STRING),
            "no_cache": FLAG,
            "additional_contexts": LIST_OR_DICT,
            "network": STRING,
            "provenance": FLAG,
            "sbom": FLAG,
            "pull": FLAG,
            "target": STRING,
            "shm_size": COUNT,
            "extra_hosts": EXTRA_HOSTS,
            "isolation": STRING,
            "privileged": FLAG,
            "secrets": FILE_REFERENCES,
            "tags": each(STRING),
            "ulimits": ULIMITS,
            "platforms": each(STRING),
        }
    ),
)

HEALTHCHECK = fields(
    {
        "disable": FLAG,
        "interval": STRING,
        "retries": AMOUNT,
        "test": either(STRING, each(STRING)),
        "timeout": STRING,
        "start_period": STRING,
        "start_interval": STRING,
    }
)

BLKIO_LIMIT = fields({"path": STRING, "rate": COUNT}, extensions=False)

BLKIO_WEIGHT = fields({"path": STRING, "weight": COUNT}, extensions=False)

BLKIO_CONFIG = fields(
    {
        "device_read_bps": each(BLKIO_LIMIT),
        "device_read_iops": each(BLKIO_LIMIT),
        "device_write_bps": each(BLKIO_LIMIT),
        "device_write_iops": each(BLKIO_LIMIT),
        "weight": COUNT,
        "weight_device": each(BLKIO_WEIGHT),
    },
    extensions=False,
)

PROVIDER = fields(
    {
        "type": STRING,
        "options": keyed(
            "^.+$", either(either(STRING, NUMBER, BOOLEAN), each(either(STRING, NUMBER, BOOLEAN))), strict=False
        ),
    },
    required=["type"],
)

SERVICE = fields(
    {
        "develop": DEVELOPMENT,
        "deploy": DEPLOYMENT,
        "annotations": LIST_OR_DICT,
        "attach": FLAG,
        "build": BUILD,
        "blkio_config": BLKIO_CONFIG,
        "cap_add": each(STRING, unique=True),
        "cap_drop": each(STRING, unique=True),
        "cgroup": words("host", "private"),
        "cgroup_parent": STRING,
        "command": COMMAND,
        "configs": FILE_REFERENCES,
        "container_name": matching(
            "[a-zA-Z0-9][a-zA-Z0-9_.-]+", "a container name: letters, digits, _ . and -, at least two of them"
        ),
        "cpu_count": either(STRING, between(0)),
        "cpu_percent": either(STRING, between(0, 100)),
        "cpu_shares": AMOUNT,
        "cpu_quota": AMOUNT,
        "cpu_period": AMOUNT,
        "cpu_rt_period": AMOUNT,
        "cpu_rt_runtime": AMOUNT,
        "cpus": AMOUNT,
        "cpuset": STRING,
        "credential_spec": fields({"config": STRING, "file": STRING, "registry": STRING}),
        "depends_on": DEPENDS_ON,
        "device_cgroup_rules": LIST_OF_STRINGS,
        "devices": each(
            either(STRING, fields({"source": STRING, "target": STRING, "permissions": STRING}, required=["source"]))
        ),
        "dns": STRING_OR_LIST,
        "dns_opt": each(STRING, unique=True),
        "dns_search": STRING_OR_LIST,
        "domainname": STRING,
        "entrypoint": COMMAND,
        "env_file": ENV_FILE,
        "label_file": LABEL_FILE,
        "environment": LIST_OR_DICT,
        "expose": each(AMOUNT, unique=True),
        "extends": either(STRING, fields({"service": STRING, "file": STRING}, required=["service"], extensions=False)),
        "provider": PROVIDER,
        "external_links": each(STRING, unique=True),
        "extra_hosts": EXTRA_HOSTS,
        "gpus": GPUS,
        "group_add": each(AMOUNT, unique=True),
        "healthcheck": HEALTHCHECK,
        "hostname": STRING,
        "image": STRING,
        "init": FLAG,
        "ipc": STRING,
        "isolation": STRING,
        "labels": LIST_OR_DICT,
        "links": each(STRING, unique=True),
        "logging": fields({"driver": STRING, "options": keyed("^.+$", either(STRING, NUMBER, NULL), strict=False)}),
        "mac_address": STRING,
        "mem_limit": AMOUNT,
        "mem_reservation": COUNT,
        "mem_swappiness": COUNT,
        "memswap_limit": AMOUNT,
        "network_mode": STRING,
        "models": MODEL_ATTACHMENTS,
        "networks": ATTACHMENTS,
        "oom_kill_disable": FLAG,
        "oom_score_adj": either(STRING, between(-1000, 1000)),
        "pid": either(STRING, NULL),
        "pids_limit": AMOUNT,
        "platform": STRING,
        "ports": each(PORT, unique=True),
        "post_start": each(HOOK),
        "pre_stop": each(HOOK),
        "privileged": FLAG,
        "profiles": LIST_OF_STRINGS,
        "pull_policy": matching(
            "always|never|build|if_not_present|missing|refresh|daily|weekly|every_([0-9]+[wdhms])+",
            "a pull policy: always, missing, never, build, daily, weekly, every_<duration>",
            ("always", "never", "build", "missing", "daily", "weekly"),
        ),
        "pull_refresh_after": STRING,
        "read_only": FLAG,
        "restart": STRING,
        "runtime": STRING,
        "scale": COUNT,
        "security_opt": each(STRING, unique=True),
        "shm_size": AMOUNT,
        "secrets": FILE_REFERENCES,
        "sysctls": LIST_OR_DICT,
        "stdin_open": FLAG,
        "stop_grace_period": STRING,
        "stop_signal": STRING,
        "storage_opt": keyed("^$", ANY, strict=False),
        "tmpfs": STRING_OR_LIST,
        "tty": FLAG,
        "ulimits": ULIMITS,
        "use_api_socket": BOOLEAN,
        "user": STRING,
        "uts": STRING,
        "userns_mode": STRING,
        "volumes": each(MOUNT, unique=True),
        "volumes_from": each(STRING, unique=True),
        "working_dir": STRING,
    }
)
