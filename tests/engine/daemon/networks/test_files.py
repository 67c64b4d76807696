"""resolv.conf and hosts of a container."""

from __future__ import annotations

from engine.daemon.networks.endpoint import Endpoint
from engine.daemon.networks.files import HOSTS, Linked, ResolvConf, Surroundings, hosts, read_resolv_conf, resolv_conf
from engine.daemon.protocols import Attachment

HOST = ResolvConf(("127.0.0.53", "10.0.0.1"), ("corp.example",), ("edns0",))


def attachment(**more: object) -> Attachment:
    return Attachment(container="a" * 64, name="web", hostname="web-host", **more)  # type: ignore[arg-type]


def test_in_a_user_s_network_the_own_resolver_is_asked_and_search_stays() -> None:
    text = resolv_conf(attachment(dns=["9.9.9.9"]), HOST, own_resolver=True)
    assert text == b"nameserver 127.0.0.11\nsearch corp.example\noptions edns0 ndots:0\n"


def test_in_the_default_bridge_the_host_s_servers_are_asked_but_for_its_loopback_ones() -> None:
    assert resolv_conf(attachment(), HOST, own_resolver=False).startswith(b"nameserver 10.0.0.1\nsearch")


def test_without_any_server_the_public_ones_are_asked() -> None:
    text = resolv_conf(attachment(), ResolvConf(("127.0.0.53",)), own_resolver=False)
    assert text == b"nameserver 8.8.8.8\nnameserver 8.8.4.4\n"


def test_what_the_user_says_of_dns_is_taken() -> None:
    wanted = attachment(dns=["9.9.9.9"], dns_search=["."], dns_options=["ndots:3"])
    assert resolv_conf(wanted, HOST, own_resolver=False) == b"nameserver 9.9.9.9\noptions ndots:3\n"
    assert b"ndots:0" not in resolv_conf(wanted, HOST, own_resolver=True)


def test_hosts_names_the_container_its_links_and_the_extra_hosts() -> None:
    wanted = attachment(extra_hosts=["db:10.0.0.9", "six=fd00::1", "box:[fd00::2]", "up:host-gateway"])
    endpoint = Endpoint("e", "n", "shop", {}, ipv4="172.18.0.2", ipv6="fd00::9")
    around = Surroundings([Linked("172.17.0.3", ("cache", "abc"))], host_gateway="172.18.0.1")
    text = hosts(wanted, [endpoint], around).decode()
    assert text.removeprefix(HOSTS).splitlines() == [
        "10.0.0.9\tdb",
        "fd00::1\tsix",
        "fd00::2\tbox",
        "172.18.0.1\tup",
        "172.17.0.3\tcache abc",
        "172.18.0.2\tweb-host",
        "fd00::9\tweb-host",
    ]


def test_a_domain_name_comes_first() -> None:
    endpoint = Endpoint("e", "n", "shop", {}, ipv4="172.18.0.2")
    text = hosts(attachment(domainname="example.org"), [endpoint], Surroundings()).decode()
    assert text.endswith("172.18.0.2\tweb-host.example.org web-host\n")


def test_comments_and_nonsense_in_resolv_conf_are_passed_over() -> None:
    text = "; x\nnameserver 10.0.0.1 # here\ndomain a.example\noptions ndots:2 rotate\nnonsense\n"
    assert read_resolv_conf(text) == ResolvConf(("10.0.0.1",), ("a.example",), ("ndots:2", "rotate"))
