"""Shapes that many keys share: flags, sizes, lists of strings, mappings, commands, references to files."""

from __future__ import annotations

from specs.shapes.kinds import (
    BOOLEAN,
    INTEGER,
    NULL,
    NUMBER,
    STRING,
    each,
    either,
    fields,
    keyed,
    words,
)

NAMES = "^[a-zA-Z0-9._-]+$"
# What may be text is cast later: "true" is a flag, "1g" a size, "3" a count.
FLAG = either(BOOLEAN, STRING)
COUNT = either(INTEGER, STRING)
AMOUNT = either(NUMBER, STRING)
OPTIONS = keyed("^.+$", AMOUNT, strict=False)


LIST_OF_STRINGS = each(STRING, unique=True)

STRING_OR_LIST = either(STRING, LIST_OF_STRINGS)

LIST_OR_DICT = either(keyed(".+", either(STRING, NUMBER, BOOLEAN, NULL)), each(STRING, unique=True))

EXTRA_HOSTS = either(keyed(".+", either(STRING, each(STRING))), each(STRING, unique=True))

COMMAND = either(NULL, STRING, each(STRING))

HOOK = fields(
    {"command": COMMAND, "user": STRING, "privileged": FLAG, "working_dir": STRING, "environment": LIST_OR_DICT},
    required=["command"],
)

ENV_FILE = either(
    STRING,
    each(
        either(
            STRING, fields({"path": STRING, "format": STRING, "required": FLAG}, required=["path"], extensions=False)
        )
    ),
)

LABEL_FILE = either(STRING, each(STRING))

FILE_REFERENCES = each(
    either(STRING, fields({"source": STRING, "target": STRING, "uid": STRING, "gid": STRING, "mode": AMOUNT}))
)

ULIMITS = keyed(
    "^[a-z]+$", either(COUNT, fields({"hard": COUNT, "soft": COUNT}, required=["soft", "hard"])), strict=False
)

DEVICES = each(
    fields(
        {
            "capabilities": LIST_OF_STRINGS,
            "count": COUNT,
            "device_ids": LIST_OF_STRINGS,
            "driver": STRING,
            "options": LIST_OR_DICT,
        },
        required=["capabilities"],
    )
)

GPUS = either(
    words("all"),
    each(
        fields(
            {
                "capabilities": LIST_OF_STRINGS,
                "count": COUNT,
                "device_ids": LIST_OF_STRINGS,
                "driver": STRING,
                "options": LIST_OR_DICT,
            },
            extensions=False,
            closed=False,
        )
    ),
)
