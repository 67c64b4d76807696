"""A seccomp profile in Docker's form → the one that the OCI spec takes, resolved for capabilities and machine. Pure.

The default, seccomp.json, is an allow list: containers-common's (0.50, Apache-2.0) made as strict as Docker's, which
gives mounts and new namespaces (clone's CLONE_NEW* flags too) only to who has CAP_SYS_ADMIN, and no keyrings.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from engine.api.errors import InvalidArgument
from engine.oci.runtime_spec import Seccomp, Syscall, SyscallArgument

MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "x86", "s390x": "s390x"}
NATIVE = {"amd64": "SCMP_ARCH_X86_64", "arm64": "SCMP_ARCH_AARCH64", "arm": "SCMP_ARCH_ARM", "s390x": "SCMP_ARCH_S390X"}


@cache
def default_profile() -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(Path(__file__).with_name("seccomp.json").read_text())
    return found


def parse_profile(text: str) -> Mapping[str, Any]:
    """A profile as the client sends it in SecurityOpt. Raises InvalidArgument."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(f"Decoding seccomp profile failed: {error}") from None
    if not isinstance(found, dict) or not isinstance(found.get("defaultAction"), str):
        raise InvalidArgument("Decoding seccomp profile failed: it has no defaultAction")
    syscalls = found.get("syscalls") or []
    if not isinstance(syscalls, list) or not all(isinstance(s, dict) and s.get("action") for s in syscalls):
        raise InvalidArgument("Decoding seccomp profile failed: `syscalls` must be a list of objects with an action")
    return found


def resolve_profile(profile: Mapping[str, Any], capabilities: Collection[str], machine: str) -> Seccomp:
    """What of the profile holds for a container with these capabilities on this machine (os.uname().machine)."""
    arch = MACHINES.get(machine, machine)
    made: Seccomp = {"defaultAction": profile["defaultAction"], "syscalls": []}
    if isinstance(profile.get("defaultErrnoRet"), int):
        made["defaultErrnoRet"] = profile["defaultErrnoRet"]
    architectures = architectures_of(profile, arch)
    if architectures:
        made["architectures"] = architectures
    if profile.get("flags"):
        made["flags"] = list(profile["flags"])
    for rule in profile.get("syscalls") or []:
        if applies(rule, capabilities, arch):
            made["syscalls"].append(syscall_of(rule))
    return made


@lru_cache(64)
def default_for(capabilities: frozenset[str], machine: str) -> Seccomp:
    """Docker's profile, resolved: one object for all containers with these capabilities. Nobody changes it."""
    return resolve_profile(default_profile(), capabilities, machine)


def architectures_of(profile: Mapping[str, Any], arch: str) -> list[str]:
    native = NATIVE.get(arch)
    for entry in profile.get("archMap") or []:
        if entry.get("architecture") == native:
            return [entry["architecture"], *(entry.get("subArchitectures") or [])]
    return list(profile.get("architectures") or [])


def applies(rule: Mapping[str, Any], capabilities: Collection[str], arch: str) -> bool:
    includes, excludes = rule.get("includes") or {}, rule.get("excludes") or {}
    if (arches := includes.get("arches")) and arch not in arches:
        return False
    if any(cap not in capabilities for cap in includes.get("caps") or []):
        return False
    if arch in (excludes.get("arches") or []):
        return False
    return not any(cap in capabilities for cap in excludes.get("caps") or [])


def syscall_of(rule: Mapping[str, Any]) -> Syscall:
    names = list(rule.get("names") or ([rule["name"]] if rule.get("name") else []))
    made: Syscall = {"names": names, "action": rule["action"]}
    if isinstance(rule.get("errnoRet"), int):
        made["errnoRet"] = rule["errnoRet"]
    arguments = [
        SyscallArgument(
            index=int(a["index"]), value=int(a["value"]), valueTwo=int(a.get("valueTwo", 0)), op=str(a["op"])
        )
        for a in rule.get("args") or []
    ]
    if arguments:
        made["args"] = arguments
    return made
