"""The shape of an entry of `images:`, the key of ours (LANGUAGE.md, "What is ours")."""

from __future__ import annotations

from specs.node import Node
from specs.shapes.common import COMMAND, LIST_OR_DICT, NAMES
from specs.shapes.kinds import BOOLEAN, STRING, Fault, Shape, each, either, fields, keyed, matching
from specs.shapes.service import BUILD

SOURCES = ("build", "pull", "debian", "archive")
POLICY = matching(
    r"^(always|missing|never|daily|weekly|every_([0-9]+[wdhms])+)$", "a policy: always, missing, never, …"
)
DEBIAN_FILE = either(STRING, fields({"source": STRING, "target": STRING, "mode": STRING, "owner": STRING}))
DEBIAN = fields(
    {
        "suite": STRING,
        "packages": each(STRING),
        "variant": STRING,
        "architecture": STRING,
        "files": either(each(DEBIAN_FILE), keyed(".+", DEBIAN_FILE)),
        "env": LIST_OR_DICT,
        "user": STRING,
        "workdir": STRING,
        "entrypoint": COMMAND,
        "cmd": COMMAND,
        "labels": LIST_OR_DICT,
    },
    required=("suite",),
)
BODY = fields(
    {
        "build": BUILD,
        "pull": STRING,
        "debian": DEBIAN,
        "archive": STRING,
        "ref": STRING,
        "tags": each(STRING, unique=True),
        "push": BOOLEAN,
        "verify": fields({"cosign": STRING}, required=("cosign",)),
        "policy": POLICY,
    }
)


def check_image(node: Node) -> list[Fault] | None:
    """The shape, and exactly one source."""
    faults = BODY.check(node) or []
    given = [key for key in SOURCES if key in node.value]
    if not given:
        message = f"needs one of {', '.join(SOURCES)}"
        faults.append(Fault(node, "missing-key", message, at_key=True, keys=SOURCES))
    faults += [
        Fault(node.value[key], "exclusive-keys", f"an image has one source; {given[0]} is there already", at_key=True)
        for key in given[1:]
    ]
    return faults or None


IMAGE = Shape({dict: check_image}, BODY.schema | {"oneOf": [{"required": [key]} for key in SOURCES]})
IMAGES = keyed(NAMES, IMAGE)
