"""The shape of a whole file: exactly Compose's, and `images` of ours."""

from __future__ import annotations

from specs.shapes.common import (
    FLAG,
    LIST_OR_DICT,
    NAMES,
    OPTIONS,
    STRING_OR_LIST,
)
from specs.shapes.image import IMAGES
from specs.shapes.kinds import (
    BOOLEAN,
    INTEGER,
    NULL,
    STRING,
    each,
    either,
    fields,
    keyed,
)
from specs.shapes.service import SERVICE

NETWORK = either(
    fields(
        {
            "name": STRING,
            "driver": STRING,
            "driver_opts": OPTIONS,
            "ipam": fields(
                {
                    "driver": STRING,
                    "config": each(
                        fields(
                            {
                                "subnet": STRING,
                                "ip_range": STRING,
                                "gateway": STRING,
                                "aux_addresses": keyed("^.+$", STRING),
                            }
                        )
                    ),
                    "options": keyed("^.+$", STRING),
                }
            ),
            "external": either(BOOLEAN, STRING, fields({"name": STRING})),
            "internal": FLAG,
            "enable_ipv4": FLAG,
            "enable_ipv6": FLAG,
            "attachable": FLAG,
            "labels": LIST_OR_DICT,
        }
    ),
    NULL,
)

VOLUME = either(
    fields(
        {
            "name": STRING,
            "driver": STRING,
            "driver_opts": OPTIONS,
            "external": either(BOOLEAN, STRING, fields({"name": STRING})),
            "labels": LIST_OR_DICT,
        }
    ),
    NULL,
)

SECRET = fields(
    {
        "name": STRING,
        "environment": STRING,
        "file": STRING,
        "external": either(BOOLEAN, STRING, fields({"name": STRING}, extensions=False, closed=False)),
        "labels": LIST_OR_DICT,
        "driver": STRING,
        "driver_opts": OPTIONS,
        "template_driver": STRING,
    }
)

CONFIG = fields(
    {
        "name": STRING,
        "content": STRING,
        "environment": STRING,
        "file": STRING,
        "external": either(BOOLEAN, STRING, fields({"name": STRING}, extensions=False, closed=False)),
        "labels": LIST_OR_DICT,
        "template_driver": STRING,
    }
)

MODEL = fields(
    {"name": STRING, "model": STRING, "context_size": INTEGER, "runtime_flags": each(STRING)}, required=["model"]
)

INCLUDE = either(
    STRING, fields({"path": STRING_OR_LIST, "env_file": STRING_OR_LIST, "project_directory": STRING}, extensions=False)
)

PROJECT = fields(
    {
        "version": STRING,
        "name": STRING,
        "include": each(INCLUDE),
        "services": keyed(NAMES, SERVICE),
        "models": keyed(NAMES, MODEL, strict=False),
        "networks": keyed(NAMES, NETWORK, strict=False),
        "volumes": keyed(NAMES, VOLUME),
        "secrets": keyed(NAMES, SECRET),
        "configs": keyed(NAMES, CONFIG),
        "images": IMAGES,
    }
)
