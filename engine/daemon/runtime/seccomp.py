"""Compiled seccomp filters, kept: compiling Docker's profile costs a start 10–30 ms, a filter from the cache nothing.

crun takes a compiled filter by annotation and leaves its own in its state folder after a start. One file for each
profile and version of crun. Other runtimes get the profile as it is.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
from collections import OrderedDict
from pathlib import Path

from engine.daemon.runtime.programs import OciRuntime
from engine.oci.runtime_spec import RuntimeSpec

ANNOTATION = "run.oci.seccomp_bpf_data"
MOST_KEYS = 32


class FilterCache:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, str] = {}
        # The last profiles' keys by the objects' ids, with the objects: most containers share one.
        self._keys: OrderedDict[int, tuple[object, str]] = OrderedDict()

    def apply(self, spec: RuntimeSpec, runtime: OciRuntime) -> RuntimeSpec:
        """The spec with the compiled filter in the profile's place, where there is one."""
        key = self._key(spec, runtime)
        if key is None:
            return spec
        if key not in self._known:
            try:
                self._known[key] = base64.b64encode((self._folder / key).read_bytes()).decode()
            except OSError:
                return spec
        linux = spec["linux"].copy()
        linux.pop("seccomp", None)
        made = spec.copy()
        made["linux"] = linux
        made["annotations"] = {**spec.get("annotations", {}), ANNOTATION: self._known[key]}
        return made

    def keep(self, spec: RuntimeSpec, runtime: OciRuntime, compiled: Path) -> None:
        """Remember what a start with the whole profile compiled it to."""
        key = self._key(spec, runtime)
        if key is None or key in self._known:
            return
        with contextlib.suppress(OSError):
            content = compiled.read_bytes()
            if not content or len(content) % 8:
                return
            self._folder.mkdir(parents=True, exist_ok=True)
            beside = self._folder / f".{key}.{os.urandom(4).hex()}"
            beside.write_bytes(content)
            beside.rename(self._folder / key)
            self._known[key] = base64.b64encode(content).decode()

    def _key(self, spec: RuntimeSpec, runtime: OciRuntime) -> str | None:
        profile = spec["linux"].get("seccomp")
        if profile is None or runtime.name != "crun":
            return None
        found = self._keys.get(id(profile))
        if found is None or found[0] is not profile:
            text = json.dumps(profile, sort_keys=True)
            found = profile, hashlib.sha256(text.encode()).hexdigest()
            self._keys[id(profile)] = found
            if len(self._keys) > MOST_KEYS:
                self._keys.popitem(last=False)
        # no_new_privileges decides when crun loads it, not what it is.
        return hashlib.sha256(f"{runtime.version}\0{found[1]}".encode()).hexdigest()
