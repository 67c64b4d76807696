"""The flags of `container run` and `container create`, as docker has them, in groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

Many = list[str] | None
Text = str | None
Flag = typer.Option


@dataclass(frozen=True, slots=True)
class ProcessFlags:
    """What runs, and as whom."""

    name: Annotated[Text, Flag("--name", help="Its name")] = None
    env: Annotated[Many, Flag("--env", "-e", help="NAME=VALUE, or NAME as it is here")] = None
    env_file: Annotated[Many, Flag("--env-file", help="Variables from a file")] = None
    entrypoint: Annotated[Text, Flag("--entrypoint", help="Instead of the image's; empty for none")] = None
    workdir: Annotated[str, Flag("--workdir", "-w", help="In this directory")] = ""
    user: Annotated[str, Flag("--user", "-u", help="NAME|UID[:GROUP|GID]")] = ""
    group_add: Annotated[Many, Flag("--group-add", help="One more group; repeatable")] = None
    hostname: Annotated[str, Flag("--hostname", "-h", help="Its host name")] = ""
    domainname: Annotated[str, Flag("--domainname", help="Its domain")] = ""
    label: Annotated[Many, Flag("--label", "-l", help="KEY=VALUE; repeatable")] = None
    label_file: Annotated[Many, Flag("--label-file", help="Labels from a file")] = None
    annotation: Annotated[Many, Flag("--annotation", help="KEY=VALUE for the runtime")] = None
    interactive: Annotated[bool, Flag("--interactive", "-i", help="Keep its input open")] = False
    tty: Annotated[bool, Flag("--tty", "-t", help="With a terminal")] = False
    init: Annotated[bool, Flag("--init", help="A small init that reaps processes")] = False
    stop_signal: Annotated[str, Flag("--stop-signal", help="What asks it to end")] = ""
    stop_timeout: Annotated[int | None, Flag("--stop-timeout", help="Seconds until it is killed")] = None
    restart: Annotated[str, Flag("--restart", help="no, always, unless-stopped, on-failure[:N]")] = "no"
    rm: Annotated[bool, Flag("--rm", help="Remove it, and its anonymous volumes, when it ends")] = False
    runtime: Annotated[str, Flag("--runtime", help="Which OCI runtime")] = ""
    cidfile: Annotated[Text, Flag("--cidfile", help="Write its id into this file")] = None
    health_cmd: Annotated[Text, Flag("--health-cmd", help="A command that tells whether it is healthy")] = None
    health_interval: Annotated[Text, Flag("--health-interval", help="How often")] = None
    health_timeout: Annotated[Text, Flag("--health-timeout", help="For how long at the most")] = None
    health_retries: Annotated[int, Flag("--health-retries", help="How many failures in a row")] = 0
    health_start_period: Annotated[Text, Flag("--health-start-period", help="How long it may take to start")] = None
    health_start_interval: Annotated[Text, Flag("--health-start-interval", help="How often meanwhile")] = None
    no_healthcheck: Annotated[bool, Flag("--no-healthcheck", help="None, whatever the image says")] = False
    log_driver: Annotated[str, Flag("--log-driver", help="json-file, local or none")] = ""
    log_opt: Annotated[Many, Flag("--log-opt", help="KEY=VALUE; repeatable")] = None


@dataclass(frozen=True, slots=True)
class PlaceFlags:
    """What it sees: files, devices, networks, namespaces."""

    volume: Annotated[Many, Flag("--volume", "-v", help="[SOURCE:]TARGET[:MODE]; repeatable")] = None
    mount: Annotated[Many, Flag("--mount", help="type=…,source=…,target=…; repeatable")] = None
    tmpfs: Annotated[Many, Flag("--tmpfs", help="PATH[:OPTIONS]; repeatable")] = None
    volumes_from: Annotated[Many, Flag("--volumes-from", help="CONTAINER[:ro]; repeatable")] = None
    volume_driver: Annotated[str, Flag("--volume-driver", help="For its volumes")] = ""
    read_only: Annotated[bool, Flag("--read-only", help="Its own file system read-only")] = False
    shm_size: Annotated[Text, Flag("--shm-size", help="Size of /dev/shm")] = None
    device: Annotated[Many, Flag("--device", help="HOST[:INSIDE[:rwm]]; repeatable")] = None
    device_cgroup_rule: Annotated[Many, Flag("--device-cgroup-rule", help="Such as c 13:* rwm")] = None
    publish: Annotated[Many, Flag("--publish", "-p", help="[[ADDRESS:]PORT:]PORT[/PROTOCOL]; repeatable")] = None
    publish_all: Annotated[bool, Flag("--publish-all", "-P", help="Every exposed port, somewhere")] = False
    expose: Annotated[Many, Flag("--expose", help="PORT[-PORT][/PROTOCOL]; repeatable")] = None
    network: Annotated[Many, Flag("--network", "--net", help="A network, host, none, container:…")] = None
    network_alias: Annotated[Many, Flag("--network-alias", help="One more name of it there")] = None
    ip: Annotated[str, Flag("--ip", help="Its IPv4 address")] = ""
    ip6: Annotated[str, Flag("--ip6", help="Its IPv6 address")] = ""
    mac_address: Annotated[str, Flag("--mac-address", help="Its MAC address")] = ""
    link: Annotated[Many, Flag("--link", help="CONTAINER[:ALIAS]; repeatable")] = None
    add_host: Annotated[Many, Flag("--add-host", help="NAME:ADDRESS; repeatable")] = None
    dns: Annotated[Many, Flag("--dns", help="A name server; repeatable")] = None
    dns_option: Annotated[Many, Flag("--dns-option", help="Of resolv.conf; repeatable")] = None
    dns_search: Annotated[Many, Flag("--dns-search", help="A search domain; repeatable")] = None
    pid: Annotated[str, Flag("--pid", help="host or container:…")] = ""
    ipc: Annotated[str, Flag("--ipc", help="none, private, shareable, host or container:…")] = ""
    uts: Annotated[str, Flag("--uts", help="host")] = ""
    userns: Annotated[str, Flag("--userns", help="host")] = ""
    cgroupns: Annotated[str, Flag("--cgroupns", help="private or host")] = ""


@dataclass(frozen=True, slots=True)
class LimitFlags:
    """What it may do and use."""

    privileged: Annotated[bool, Flag("--privileged", help="With every privilege")] = False
    cap_add: Annotated[Many, Flag("--cap-add", help="Add a capability; repeatable")] = None
    cap_drop: Annotated[Many, Flag("--cap-drop", help="Drop a capability; repeatable")] = None
    security_opt: Annotated[Many, Flag("--security-opt", help="Such as no-new-privileges, seccomp=FILE")] = None
    sysctl: Annotated[Many, Flag("--sysctl", help="NAME=VALUE; repeatable")] = None
    ulimit: Annotated[Many, Flag("--ulimit", help="NAME=SOFT[:HARD]; repeatable")] = None
    memory: Annotated[Text, Flag("--memory", "-m", help="Limit of memory, such as 512m")] = None
    memory_reservation: Annotated[Text, Flag("--memory-reservation", help="Soft limit of memory")] = None
    memory_swap: Annotated[Text, Flag("--memory-swap", help="Memory and swap; -1 for no limit")] = None
    memory_swappiness: Annotated[int, Flag("--memory-swappiness", help="0 to 100")] = -1
    cpus: Annotated[Text, Flag("--cpus", help="How many processors, such as 1.5")] = None
    cpu_shares: Annotated[int, Flag("--cpu-shares", "-c", help="Weight among others")] = 0
    cpu_period: Annotated[int, Flag("--cpu-period", help="Microseconds")] = 0
    cpu_quota: Annotated[int, Flag("--cpu-quota", help="Microseconds of each period")] = 0
    cpuset_cpus: Annotated[str, Flag("--cpuset-cpus", help="Which processors: 0-2,4")] = ""
    cpuset_mems: Annotated[str, Flag("--cpuset-mems", help="Which memory nodes")] = ""
    pids_limit: Annotated[int, Flag("--pids-limit", help="How many processes; -1 for no limit")] = 0
    blkio_weight: Annotated[int, Flag("--blkio-weight", help="Weight of block I/O, 10 to 1000")] = 0
    oom_score_adj: Annotated[int, Flag("--oom-score-adj", help="-1000 to 1000")] = 0
    oom_kill_disable: Annotated[bool, Flag("--oom-kill-disable", help="Never killed for memory")] = False
    cgroup_parent: Annotated[str, Flag("--cgroup-parent", help="The cgroup above its own")] = ""
