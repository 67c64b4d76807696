"""`rorqual network`: the engine's networks."""

from __future__ import annotations

from typing import Annotated, Any

import anyio
import typer

from engine.api.networks import EndpointSettings, NetworkCreate, NetworkInspect
from engine.cli.objects.amounts import pairs
from engine.cli.objects.group import (
    Filter,
    Force,
    Format,
    InspectFormat,
    NoTrunc,
    PruneFilter,
    Quiet,
    agreed,
    filters_from,
    inspect_all,
    list_all,
    make_group,
    on_each,
    reached,
    whole,
)
from engine.cli.options import EngineOptions, with_options
from engine.client.session import Engine

network = make_group("Networks of the engine.")

COLUMNS = {"ID": "NETWORK ID", "Name": "NAME", "Driver": "DRIVER", "Scope": "SCOPE"}
MORE = ("CreatedAt", "IPv4", "IPv6", "Internal", "Labels")
Networks = Annotated[list[str], typer.Argument(help="Networks, by name or id")]
OneNetwork = Annotated[str, typer.Argument(help="The network, by name or id")]
OneContainer = Annotated[str, typer.Argument(help="The container, by name or id")]
Many = list[str] | None


@network.command("ls")
@with_options(EngineOptions)
def ls(
    engine: EngineOptions,
    filter: Filter = None,
    format: Format = "table",
    no_trunc: NoTrunc = False,
    quiet: Quiet = False,
) -> None:
    """List networks. Example: rorqual network ls --filter driver=bridge"""

    list_all(
        engine,
        lambda client: client.networks.list(filters=filters_from(filter)),
        lambda found: row_of(found, cut=not no_trunc),
        (COLUMNS, MORE),
        format,
        only="ID" if quiet else None,
    )


def row_of(found: NetworkInspect, *, cut: bool) -> dict[str, Any]:
    return {
        "ID": found["Id"][:12] if cut else found["Id"],
        "Name": found["Name"],
        "Driver": found.get("Driver") or "",
        "Scope": found.get("Scope") or "",
        "CreatedAt": found.get("Created") or "",
        "IPv4": str(found.get("EnableIPv4", True)).lower(),
        "IPv6": str(found.get("EnableIPv6", False)).lower(),
        "Internal": str(found.get("Internal", False)).lower(),
        "Labels": ",".join(f"{key}={value}" for key, value in sorted((found.get("Labels") or {}).items())),
    }


@network.command("inspect")
@with_options(EngineOptions)
def inspect(engine: EngineOptions, networks: Networks, format: InspectFormat = "") -> None:
    """Show everything about networks. Example: rorqual network inspect -f '{{json .IPAM}}' bridge"""
    inspect_all(engine, networks, format, lambda client, name: client.networks.inspect(name))


@network.command("create")
@with_options(EngineOptions)
def create(
    engine: EngineOptions,
    name: Annotated[str, typer.Argument(help="Its name")],
    driver: Annotated[str, typer.Option("--driver", "-d", help="Which driver")] = "bridge",
    subnet: Annotated[Many, typer.Option("--subnet", help="Such as 10.5.0.0/16; repeatable")] = None,
    ip_range: Annotated[Many, typer.Option("--ip-range", help="Addresses for containers, in the subnet")] = None,
    gateway: Annotated[Many, typer.Option("--gateway", help="The host's address in it")] = None,
    aux_address: Annotated[Many, typer.Option("--aux-address", help="NAME=ADDRESS to leave out")] = None,
    opt: Annotated[Many, typer.Option("--opt", "-o", help="KEY=VALUE for the driver")] = None,
    ipam_driver: Annotated[str, typer.Option("--ipam-driver", help="Who gives out addresses")] = "default",
    ipam_opt: Annotated[Many, typer.Option("--ipam-opt", help="KEY=VALUE for it")] = None,
    label: Annotated[Many, typer.Option("--label", help="KEY=VALUE; repeatable")] = None,
    internal: Annotated[bool, typer.Option("--internal", help="Without a way out")] = False,
    attachable: Annotated[bool, typer.Option("--attachable", help="For single containers too, in a Swarm")] = False,
    ipv6: Annotated[bool, typer.Option("--ipv6", help="IPv6 too")] = False,
) -> None:
    """Make a network. Example: rorqual network create --subnet 10.5.0.0/16 shop"""
    body: NetworkCreate = {
        "Name": name,
        "Driver": driver,
        "Internal": internal,
        "Attachable": attachable,
        "EnableIPv6": ipv6,
        "Options": pairs(opt),
        "Labels": pairs(label),
        "IPAM": {
            "Driver": ipam_driver,
            "Options": pairs(ipam_opt),
            "Config": pools(subnet or [], ip_range or [], gateway or [], pairs(aux_address)),  # type: ignore[typeddict-item]
        },
    }

    async def run() -> str:
        async with reached(engine) as client:
            if whole(engine).dry_run:
                return f"would create {name}"
            return (await client.networks.create(body))["Id"]

    print(anyio.run(run))


def pools(subnets: list[str], ranges: list[str], gateways: list[str], aux: dict[str, str]) -> list[dict[str, Any]]:
    """Each range, gateway and address to the subnet that holds it. Raises BadParameter where none does."""
    from ipaddress import ip_address, ip_network  # late: only a network with a subnet needs it

    made: list[dict[str, Any]] = [{"Subnet": subnet} for subnet in subnets]

    def home(text: str, what: str) -> dict[str, Any]:
        try:
            inner = ip_network(text, strict=False).network_address if "/" in text else ip_address(text)
            found = [pool for pool in made if inner in ip_network(pool["Subnet"], strict=False)]
        except ValueError as error:
            raise typer.BadParameter(f"{what}: {error}") from None
        if not found:
            raise typer.BadParameter(f"no matching subnet for {what} {text}")
        return found[0]

    for text in ranges:
        home(text, "range")["IPRange"] = text
    for text in gateways:
        home(text, "gateway")["Gateway"] = text
    for name, text in aux.items():
        home(text, "aux-address").setdefault("AuxiliaryAddresses", {})[name] = text
    return made


@network.command("rm")
@with_options(EngineOptions)
def rm(engine: EngineOptions, networks: Networks) -> None:
    """Remove networks. Example: rorqual network rm shop"""
    on_each(engine, "remove", networks, lambda client, name: client.networks.remove(name))


@network.command("connect")
@with_options(EngineOptions)
def connect(
    engine: EngineOptions,
    network_name: OneNetwork,
    container: OneContainer,
    alias: Annotated[Many, typer.Option("--alias", help="One more name of it there; repeatable")] = None,
    driver_opt: Annotated[Many, typer.Option("--driver-opt", help="KEY=VALUE for the driver")] = None,
    ip: Annotated[str, typer.Option("--ip", help="Its IPv4 address")] = "",
    ip6: Annotated[str, typer.Option("--ip6", help="Its IPv6 address")] = "",
    link: Annotated[Many, typer.Option("--link", help="CONTAINER[:ALIAS]; repeatable")] = None,
) -> None:
    """Put a container into a network. Example: rorqual network connect --alias db shop postgres"""
    endpoint: EndpointSettings = {"Aliases": alias or [], "DriverOpts": pairs(driver_opt), "Links": link or []}
    fixed = {key: text for key, text in (("IPv4Address", ip), ("IPv6Address", ip6)) if text}
    if fixed:
        endpoint["IPAMConfig"] = fixed  # type: ignore[typeddict-item]

    async def act(client: Engine, name: str) -> None:
        await client.networks.connect(name, container, endpoint)

    on_each(engine, f"connect {container} to", [network_name], act, quiet=True)


@network.command("disconnect")
@with_options(EngineOptions)
def disconnect(
    engine: EngineOptions,
    network_name: OneNetwork,
    container: OneContainer,
    force: Annotated[bool, typer.Option("--force", "-f", help="Whatever state it is in")] = False,
) -> None:
    """Take a container out of a network. Example: rorqual network disconnect shop postgres"""

    async def act(client: Engine, name: str) -> None:
        await client.networks.disconnect(name, container, force=force)

    on_each(engine, f"disconnect {container} from", [network_name], act, quiet=True)


@network.command("prune")
@with_options(EngineOptions)
def prune(engine: EngineOptions, force: Force = False, filter: PruneFilter = None) -> None:
    """Remove networks that no container is in. Example: rorqual network prune -f"""
    if not agreed(engine, force, "all custom networks not used by at least one container"):
        raise typer.Exit(1)

    async def run() -> Any:
        async with reached(engine) as client:
            return await client.networks.prune(filters=filters_from(filter))

    if deleted := anyio.run(run).get("NetworksDeleted"):
        print("Deleted Networks:", *deleted, "", sep="\n")
