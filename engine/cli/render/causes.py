"""What an engine's refusal means: by its words a stable code, the keys of the spec to look at, and what to do.

Docker, Podman and our own engine say the same in different words; the words themselves stay in the message. Pure.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Cause(NamedTuple):
    """`keys` are paths below the object (`deploy.resources`), the first that the spec has being the place."""

    code: str
    keys: tuple[str, ...] = ()
    hint: str | None = None


LOST = Cause(
    "engine-lost", (), "what stands is kept: once the engine answers, the next `rorqual up` goes on from there"
)
# First match wins, for each word of a step that the first item allows ("" is any).
CAUSES: tuple[tuple[str, str, Cause], ...] = (
    ("", r"^the engine at .* was lost|^can't connect to the engine", LOST),
    (
        "",
        r"no space left on device|disk quota exceeded",
        Cause(
            "no-space", (), "free space where the engine keeps its data; `docker system prune` removes what is unused"
        ),
    ),
    (
        "pull",
        r"unauthorized|authentication required|access .*denied|denied:|no basic auth",
        Cause("pull-denied", ("image",), "log in to the registry (docker login), or check the image's name"),
    ),
    (
        "pull",
        r"x509|certificate|server gave HTTP response to HTTPS",
        Cause("pull-tls", ("image",), "the engine doesn't trust the registry: give it the CA, or name it as insecure"),
    ),
    (
        "pull",
        r"manifest unknown|manifest for .* not found|not found|no matching manifest|repository does not exist",
        Cause("no-such-image", ("image",), "check the image's name, tag and platform"),
    ),
    (
        "pull",
        r"connection refused|no such host|lookup |unreachable|timeout|timed out|TLS handshake|dial tcp|no route",
        Cause(
            "registry-unreachable",
            ("image",),
            "is the registry's name right, and can the engine reach it? An image that the engine has needs no pull",
        ),
    ),
    (
        "",
        r"no such image|image not known|failed to find image|No such image",
        Cause("no-such-image", ("image", "pull_policy"), "pull, build or load it, or let pull_policy do so"),
    ),
    (
        "",
        r"port is already allocated|ports are not available|(bind|listen).*address already in use|port \d+ is already",
        Cause(
            "port-in-use",
            ("ports",),
            "another container or program has it: stop that one, publish another port, or leave the host's port out",
        ),
    ),
    (
        "",
        r"invalid container name|names must match",
        Cause("bad-name", ("container_name",), "names are made of letters, digits, _ . and -, and of two at least"),
    ),
    ("", r"invalid signal", Cause("bad-signal", ("stop_signal",), "write a name or a number: SIGTERM, HUP, 9")),
    (
        "",
        r"container name .* is already in use|that name is already in use|name .* already in use by",
        Cause("name-in-use", ("container_name",), "remove or rename the container that has it, or choose another name"),
    ),
    (
        "",
        r"does not belong to any of this network|not in any subnet|address already in use|no available i?p",
        Cause("bad-address", ("networks",), "choose an address in the network's subnet that nobody else has"),
    ),
    (
        "destroy",
        r"has active endpoints|network is in use|in use by",
        Cause(
            "still-in-use",
            (),
            "somebody else uses it; a dockerd that says so with nobody there has lost count: restart it, then down",
        ),
    ),
    (
        "",
        r"pool overlaps|already used on the host|overlaps with",
        Cause("subnet-in-use", ("ipam",), "choose another subnet, or leave it out: then the engine finds a free one"),
    ),
    ("", r"invalid subnet|parse subnet|invalid CIDR", Cause("bad-subnet", ("ipam",), "write it as 10.1.0.0/24")),
    (
        "",
        r"bind source path does not exist|bind mount source|statfs .*no such file",
        Cause(
            "no-mount-source",
            ("volumes", "secrets", "configs"),
            "create it; a bind mount's create_host_path: true has it made as a folder",
        ),
    ),
    (
        "",
        r'device driver ".*" with capabilities',
        Cause("no-device-driver", ("deploy.resources.reservations.devices", "gpus", "deploy"), None),
    ),
    (
        "",
        r"device information|stat /dev/",
        Cause("no-such-device", ("devices",), "check its path on the engine's machine"),
    ),
    (
        "",
        r"executable file not found|exec: .*no such file or directory",
        Cause(
            "no-such-program", ("command", "entrypoint", "image"), "the image has no such program: check the command"
        ),
    ),
    (
        "",
        r'exec: ".*": permission denied|exec .*: permission denied',
        Cause(
            "not-executable", ("command", "entrypoint", "image"), "the file is not executable: chmod +x in the image"
        ),
    ),
    (
        "",
        r"unable to find (user|group)|no matching entries",
        Cause("no-such-user", ("user",), "use a number, or a name that the image's /etc/passwd has"),
    ),
    (
        "",
        r"working directory|Cwd must be an absolute",
        Cause("bad-working-dir", ("working_dir",), "write an absolute path"),
    ),
    (
        "",
        r"log driver|logging plugin|^logger:",
        Cause("no-such-log-driver", ("logging",), "json-file and local are always there"),
    ),
    (
        "",
        r"runtime (name|specified)",
        Cause("no-such-runtime", ("runtime",), "the engine's configuration names its runtimes"),
    ),
    ("", r"unknown capability|invalid CapAdd", Cause("no-such-capability", ("cap_add", "cap_drop"), None)),
    (
        "",
        r"/proc/sys/|sysctl",
        Cause("bad-sysctl", ("sysctls",), "the kernel has no such setting, or not for containers"),
    ),
    (
        "",
        r'plugin ".*" not found|unsupported driver|could not find plugin|volume driver|no volume plugin',
        Cause("no-such-driver", ("driver",), "leave driver out for the engine's own"),
    ),
    (
        "",
        r"no such container|no container with name",
        Cause("no-such-container", ("network_mode", "volumes_from", "pid", "ipc"), "start that container first"),
    ),
    ("", r"memory limit", Cause("bad-limit", ("mem_limit", "deploy.resources.limits"), None)),
    ("", r"Range of CPUs", Cause("bad-limit", ("cpus", "deploy.resources.limits"), None)),
    ("", r"specified platform", Cause("wrong-platform", ("platform", "image"), "build or pull it for that platform")),
    ("run", r"^hook ", Cause("hook-failed", ("post_start", "pre_stop"), None)),
    ("wait", r"health", Cause("unhealthy", ("healthcheck",), None)),
    (
        "wait",
        r"keeps restarting",
        Cause("keeps-restarting", (), "its log tells why; --wait-timeout SECONDS waits longer"),
    ),
    ("wait", r"exited with code", Cause("exited", (), None)),
    ("", r"permission denied", Cause("denied", (), None)),
)
READY = tuple((word, re.compile(pattern, re.IGNORECASE), cause) for word, pattern, cause in CAUSES)


def cause_of(word: str, reason: str) -> Cause:
    """The cause of a step's failure; its word and `-failed` where the words tell nothing."""
    for allowed, pattern, cause in READY:
        if allowed in {"", word} and pattern.search(reason):
            return cause
    return Cause(f"{word}-failed")
