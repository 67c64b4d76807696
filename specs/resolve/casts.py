"""Text that came from a file or a variable, as the type that its key wants: "yes" is a flag, "3" a count."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from specs.units import go_float

TRUE = frozenset({"y", "yes", "true", "on"})
FALSE = frozenset({"n", "no", "false", "off"})
LEGACY = frozenset({"y", "yes", "on", "n", "no", "off"})
WHOLE = re.compile(r"[-+]?[0-9]+")
NOT_FINITE = re.compile(r"[-+]?(?:inf|infinity|nan)", re.IGNORECASE)

Cast = Callable[[str], Any]


class Uncastable(ValueError):
    """The text is no value of that type."""


def to_flag(text: str) -> bool:
    word = text.lower()
    if word in TRUE:
        return True
    if word in FALSE:
        return False
    raise Uncastable(f"{text!r} is neither true nor false")


def to_whole(text: str) -> int:
    if WHOLE.fullmatch(text) and -(1 << 63) <= (value := int(text)) < 1 << 63:
        return value
    raise Uncastable(f"{text!r} is not a whole number")


def to_real(text: str) -> float:
    try:
        return float(text) if NOT_FINITE.fullmatch(text) else go_float(text)
    except ValueError:
        raise Uncastable(f"{text!r} is not a number") from None


def paths(cast: Cast, *dotted: str) -> list[tuple[str, Cast]]:
    return [(path, cast) for path in dotted]


# Where Compose casts text right after interpolation, before the schema looks at it.
CAST_PATHS = [
    *paths(
        to_whole,
        "services.*.cpu_count",
        "services.*.cpu_period",
        "services.*.cpu_quota",
        "services.*.cpu_rt_period",
        "services.*.cpu_rt_runtime",
        "services.*.cpu_shares",
        "services.*.deploy.replicas",
        "services.*.deploy.update_config.parallelism",
        "services.*.deploy.rollback_config.parallelism",
        "services.*.deploy.restart_policy.max_attempts",
        "services.*.deploy.placement.max_replicas_per_node",
        "services.*.healthcheck.retries",
        "services.*.oom_score_adj",
        "services.*.pids_limit",
        "services.*.ports.*.target",
        "services.*.scale",
        "services.*.ulimits.*",
        "services.*.ulimits.*.hard",
        "services.*.ulimits.*.soft",
    ),
    *paths(
        to_real,
        "services.*.cpu_percent",
        "services.*.cpus",
        "services.*.deploy.update_config.max_failure_ratio",
        "services.*.deploy.rollback_config.max_failure_ratio",
    ),
    *paths(
        to_flag,
        "services.*.init",
        "services.*.healthcheck.disable",
        "services.*.oom_kill_disable",
        "services.*.privileged",
        "services.*.read_only",
        "services.*.stdin_open",
        "services.*.tty",
        "services.*.volumes.*.read_only",
        "services.*.volumes.*.volume.nocopy",
        *(f"networks.*.{key}" for key in ("external", "internal", "attachable", "enable_ipv4", "enable_ipv6")),
        *(f"{kind}.*.external" for kind in ("volumes", "secrets", "configs")),
    ),
]


def tree_of(paths_and_casts: list[tuple[str, Cast]]) -> dict[str, Any]:
    """Nested tables: step → table; the cast of a path itself stands under the empty step."""
    root: dict[str, Any] = {}
    for path, cast in paths_and_casts:
        table = root
        for step in path.split("."):
            table = table.setdefault(step, {})
        table[""] = cast
    return root


CASTS = tree_of(CAST_PATHS)
