"""Where the tagged accepts go among other programs' rules: a function from `iptables -S` to commands."""

from __future__ import annotations

from engine.daemon.networks.kernel.firewall import changes, in_the_way, table_of_firewalld

DOCKER = [
    "-P INPUT ACCEPT",
    "-P FORWARD DROP",
    "-N DOCKER-USER",
    "-A FORWARD -j DOCKER-USER",
    "-A DOCKER-USER -j RETURN",
]
OURS = '-A DOCKER-USER -i br-1 -m comment --comment "rorqual br-1" -j ACCEPT'
OURS_OUT = '-A DOCKER-USER -o br-1 -m comment --comment "rorqual br-1" -j ACCEPT'
OTHERS = '-A DOCKER-USER -i br-1 -m comment --comment "rorqual_ab br-1" -j ACCEPT'


def commands(lines: list[str], *bridges: str) -> list[str]:
    return [" ".join(command) for command in changes("\n".join(lines), bridges, "rorqual")]


def test_docker_s_own_place_is_used_where_docker_runs() -> None:
    assert commands(DOCKER, "br-1") == [
        "-I DOCKER-USER -i br-1 -m comment --comment rorqual br-1 -j ACCEPT",
        "-I DOCKER-USER -o br-1 -m comment --comment rorqual br-1 -j ACCEPT",
    ]


def test_what_is_there_is_left() -> None:
    assert commands([*DOCKER, OURS, OURS_OUT], "br-1") == []


def test_rules_of_a_network_that_is_gone_are_taken_away_and_no_others() -> None:
    assert commands([*DOCKER, OURS, OURS_OUT, OTHERS, "-A DOCKER-USER -i eth9 -j DROP"]) == [
        "-D DOCKER-USER -i br-1 -m comment --comment rorqual br-1 -j ACCEPT",
        "-D DOCKER-USER -o br-1 -m comment --comment rorqual br-1 -j ACCEPT",
    ]


def test_a_dropping_forward_policy_without_a_place_gets_them_itself() -> None:
    assert commands(["-P FORWARD DROP"], "br-1")[0].startswith("-I FORWARD -i br-1 ")


def test_ufw_s_place_is_its_user_s_chain() -> None:
    lines = ["-P FORWARD DROP", "-N ufw-user-forward", "-A ufw-before-forward -j ufw-user-forward"]
    assert commands(lines, "br-1")[0].startswith("-I ufw-user-forward -i br-1 ")


def test_where_nothing_drops_nothing_is_added() -> None:
    assert commands(["-P FORWARD ACCEPT"], "br-1") == []


def test_when_docker_comes_later_the_rules_move_to_its_place() -> None:
    stale = OURS.replace("DOCKER-USER", "FORWARD")
    found = commands([*DOCKER, stale], "br-1")
    assert found[0].startswith("-D FORWARD -i br-1") and found[1].startswith("-I DOCKER-USER -i br-1")


def chain(family: str, table: str, name: str, **more: str) -> dict[str, dict[str, str]]:
    return {"chain": {"family": family, "table": table, "name": name, **more}}


def test_programs_are_asked_only_where_something_of_theirs_may_drop() -> None:
    ours = chain("inet", "rorqual", "forward", hook="forward", policy="accept")
    open_ = chain("ip", "filter", "FORWARD", hook="forward", policy="accept")
    assert in_the_way([{"metainfo": {}}, ours, open_]) == set()
    assert in_the_way([chain("ip6", "filter", "FORWARD", hook="forward", policy="drop")]) == {"ip6tables"}
    assert in_the_way([open_, chain("ip", "filter", "DOCKER-USER")]) == {"iptables"}
    assert in_the_way([chain("inet", "firewalld", "filter_FORWARD")]) == {"firewalld"}


def test_firewalld_s_table_is_another_after_a_reload() -> None:
    ours: dict[str, dict[str, object]] = {"table": {"family": "inet", "name": "rorqual", "handle": 3}}
    tables: list[dict[str, dict[str, object]]] = [{"metainfo": {}}, ours]
    assert table_of_firewalld(tables) == 0
    assert table_of_firewalld([*tables, {"table": {"family": "inet", "name": "firewalld", "handle": 9}}]) == 9
