"""Other programs' firewalls: an accept of ours does not override a drop of theirs, so a tagged one goes among theirs.

Where Docker runs, DOCKER-USER is the place; for ufw, ufw-user-forward; where a FORWARD policy drops and no program
provides a place, FORWARD itself; firewalld gets the bridges into its trusted zone, at run time only. Each rule of
ours bears the comment "<table> <bridge>", and those with our tag are the only ones that are ever taken away. What
goes where is our own table's affair (rules.py): a packet that it drops stays dropped.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.daemon.networks.kernel import nft

PLACES = ("DOCKER-USER", "ufw-user-forward", "ufw6-user-forward")
TOOLS = {"iptables": Path("/proc/net/ip_tables_names"), "ip6tables": Path("/proc/net/ip6_tables_names")}
FAMILIES = {"ip": "iptables", "ip6": "ip6tables"}
FIREWALLD, ZONE = "firewalld", "trusted"
TIME_SECONDS = 15.0


def let_through(bridges: Collection[str], tag: str, zone: TrustedZone, *, placed: Collection[str] = ()) -> set[str]:
    """Every firewall lets these bridges' packets go on to our own rules; rules of ours for others are gone.

    Returns the programs that were asked to; `placed` is what the last call returned: their rules may have to go. `zone`
    remembers what firewalld was told.
    """
    programs = in_the_way(nft.query("list chains"))
    programs |= {tool for tool, tables in TOOLS.items() if "filter" in text_of(tables).split()}
    for tool in sorted((programs | set(placed)) & TOOLS.keys()):
        listing = run(tool, "-w", "5", "-S")
        for command in changes(listing, bridges, tag) if listing is not None else ():
            run(tool, "-w", "5", *command)
    if FIREWALLD in programs:
        zone.hold(bridges)
    return programs


def in_the_way(objects: Iterable[Mapping[str, Any]]) -> set[str]:
    """The programs whose chains may drop what is forwarded, of `nft -j list chains`. Pure."""
    found = set()
    for one in objects:
        chain = one.get("chain", {})
        drops = chain.get("hook") == "forward" and chain.get("policy") == "drop"
        if chain.get("family") in FAMILIES and (drops or chain.get("name") in PLACES):
            found.add(FAMILIES[chain["family"]])
        if chain.get("table") == FIREWALLD:
            found.add(FIREWALLD)
    return found


def text_of(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def run(*command: str) -> str | None:
    """What it printed; None where it is not there or refuses."""
    if shutil.which(command[0]) is None:
        return None
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIME_SECONDS, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def changes(listing: str, bridges: Collection[str], tag: str) -> list[Sequence[str]]:
    """The iptables commands that a filter table (`-S`) needs. Pure."""
    lines = listing.splitlines()
    place = place_of(lines)
    wanted = {} if place is None else {rule_key(place, *rule): rule for rule in rules_for(bridges)}
    commands: list[Sequence[str]] = []
    present = set()
    for line in lines:
        words = shlex.split(line) if f'"{tag} ' in line else []
        if "--comment" not in words or words[0] != "-A":
            continue
        key = key_of(words, tag)
        if key in wanted and key not in present:
            present.add(key)
        else:
            commands.append(["-D", *words[1:]])
    for key, (side, bridge) in wanted.items():
        if key not in present:
            assert place is not None  # without a place nothing is wanted
            comment = ["-m", "comment", "--comment", f"{tag} {bridge}"]
            commands.append(["-I", place, side, bridge, *comment, "-j", "ACCEPT"])
    return commands


def place_of(lines: Sequence[str]) -> str | None:
    """The chain for our rules; None where nothing stands in the way."""
    for place in PLACES:
        if f"-N {place}" in lines:
            return place
    return "FORWARD" if "-P FORWARD DROP" in lines else None


def rules_for(bridges: Collection[str]) -> list[tuple[str, str]]:
    return [(side, bridge) for bridge in bridges for side in ("-i", "-o")]


def rule_key(place: str, side: str, bridge: str) -> tuple[str, str, str]:
    return place, side, bridge


def key_of(words: Sequence[str], tag: str) -> tuple[str, str, str] | None:
    """Chain, side and bridge of a rule that is exactly ours; None for one that isn't any more."""
    comment = words[words.index("--comment") + 1]
    found = re.fullmatch(rf"{re.escape(tag)} (\S+)", comment)
    side = words[2] if len(words) > 3 else ""
    if found is None or side not in {"-i", "-o"} or words[3] != found[1] or "ACCEPT" not in words:
        return None
    return words[1], side, words[3]


class TrustedZone:
    """Firewalld drops what is in no zone: our bridges are in its trusted one, at run time only.

    Its command takes a third of a second: it is asked when our bridges are others, or a reload made its table anew.
    """

    def __init__(self) -> None:
        self._held: set[str] = set()
        self._table = 0

    def hold(self, bridges: Collection[str]) -> None:
        """These, and no others of ours. Blocks."""
        wanted, table = set(bridges), table_of_firewalld(nft.query("list tables"))
        if (wanted, table) == (self._held, self._table) or not (wanted or self._held):
            return
        if (run("firewall-cmd", "--state") or "").strip() != "running":
            return
        there = set((run("firewall-cmd", f"--zone={ZONE}", "--list-interfaces") or "").split())
        for bridge in sorted(wanted - there):
            run("firewall-cmd", f"--zone={ZONE}", f"--change-interface={bridge}")
        for bridge in sorted((self._held - wanted) & there):
            run("firewall-cmd", f"--zone={ZONE}", f"--remove-interface={bridge}")
        self._held, self._table = wanted, table


def table_of_firewalld(objects: Iterable[Mapping[str, Any]]) -> int:
    """The handle of its table, of `nft -j list tables`; 0 for none. Pure."""
    tables = [one["table"] for one in objects if "table" in one]
    return next((int(table["handle"]) for table in tables if table["name"] == FIREWALLD), 0)
