"""Who lives in an image: /etc/passwd and /etc/group, from Debian's base, sysusers.d and what packages would have made.

Pure. mmdebstrap's extract variant runs no maintainer scripts, so nobody else makes these accounts. An id depends on the
account's name only, never on what else is installed: a volume's owner survives a rebuild.
"""

from __future__ import annotations

import shlex
import zlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass

NOLOGIN = "/usr/sbin/nologin"
# Ids that Debian gives dynamically to system accounts, less those that KNOWN pins.
DYNAMIC = range(100, 900)


@dataclass(frozen=True, slots=True)
class User:
    name: str
    uid: int
    gid: int
    gecos: str = ""
    home: str = "/nonexistent"
    shell: str = NOLOGIN

    def line(self) -> str:
        return f"{self.name}:x:{self.uid}:{self.gid}:{self.gecos}:{self.home}:{self.shell}"


@dataclass(frozen=True, slots=True)
class OwnedFolder:
    """A folder that a package's postinst would have given to its user."""

    path: str
    user: str
    mode: int = 0o755


@dataclass(frozen=True, slots=True)
class Known:
    """The account that a package's postinst would have made; a uid of None is Debian's own number for that user."""

    user: str
    uid: int | None
    home: str
    folders: tuple[OwnedFolder, ...] = ()
    shell: str = NOLOGIN


@dataclass(frozen=True, slots=True)
class Accounts:
    users: dict[str, User]
    groups: dict[str, int]
    members: dict[str, tuple[str, ...]]
    folders: tuple[OwnedFolder, ...]

    def passwd(self) -> str:
        return "".join(f"{user.line()}\n" for user in sorted(self.users.values(), key=lambda user: user.uid))

    def group(self) -> str:
        by_id = sorted(self.groups.items(), key=lambda item: (item[1], item[0]))
        return "".join(f"{name}:x:{gid}:{','.join(self.members.get(name, ()))}\n" for name, gid in by_id)


# Debian's base-passwd, policy 9.2.2.
BASE_USERS = (
    User("root", 0, 0, "root", "/root", "/bin/sh"),
    User("daemon", 1, 1, "daemon", "/usr/sbin"),
    User("bin", 2, 2, "bin", "/bin"),
    User("sys", 3, 3, "sys", "/dev"),
    User("sync", 4, 65534, "sync", "/bin", "/bin/sync"),
    User("games", 5, 60, "games", "/usr/games"),
    User("man", 6, 12, "man", "/var/cache/man"),
    User("lp", 7, 7, "lp", "/var/spool/lpd"),
    User("mail", 8, 8, "mail", "/var/mail"),
    User("news", 9, 9, "news", "/var/spool/news"),
    User("uucp", 10, 10, "uucp", "/var/spool/uucp"),
    User("proxy", 13, 13, "proxy", "/bin"),
    User("www-data", 33, 33, "www-data", "/var/www"),
    User("backup", 34, 34, "backup", "/var/backups"),
    User("list", 38, 38, "Mailing List Manager", "/var/list"),
    User("irc", 39, 39, "ircd", "/run/ircd"),
    User("_apt", 42, 65534),
    User("nobody", 65534, 65534, "nobody"),
)
BASE_GROUPS = {
    "root": 0, "daemon": 1, "bin": 2, "sys": 3, "adm": 4, "tty": 5, "disk": 6, "lp": 7, "mail": 8, "news": 9,
    "uucp": 10, "man": 12, "proxy": 13, "kmem": 15, "dialout": 20, "fax": 21, "voice": 22, "cdrom": 24, "floppy": 25,
    "tape": 26, "sudo": 27, "audio": 29, "dip": 30, "www-data": 33, "backup": 34, "operator": 37, "list": 38,
    "irc": 39, "src": 40, "shadow": 42, "utmp": 43, "video": 44, "sasl": 45, "plugdev": 46, "staff": 50, "games": 60,
    "users": 100, "nogroup": 65534,
}  # fmt: skip

# Package → the account of its postinst. The numbers are ours, above DYNAMIC, and never change.
KNOWN: dict[str, Known] = {
    "postgresql-common": Known(
        "postgres",
        999,
        "/var/lib/postgresql",
        (
            OwnedFolder("/var/lib/postgresql", "postgres"),
            OwnedFolder("/var/log/postgresql", "postgres"),
            OwnedFolder("/run/postgresql", "postgres", 0o2775),
        ),
        "/bin/sh",
    ),
    "redis-tools": Known(
        "redis",
        998,
        "/var/lib/redis",
        (
            OwnedFolder("/var/lib/redis", "redis", 0o750),
            OwnedFolder("/var/log/redis", "redis", 0o750),
            OwnedFolder("/run/redis", "redis"),
        ),
    ),
    "mariadb-server": Known(
        "mysql",
        997,
        "/nonexistent",
        (
            OwnedFolder("/var/lib/mysql", "mysql"),
            OwnedFolder("/var/log/mysql", "mysql", 0o750),
            OwnedFolder("/run/mysqld", "mysql"),
        ),
    ),
    "memcached": Known("memcache", 996, "/nonexistent"),
    "rabbitmq-server": Known(
        "rabbitmq",
        995,
        "/var/lib/rabbitmq",
        (OwnedFolder("/var/lib/rabbitmq", "rabbitmq"), OwnedFolder("/var/log/rabbitmq", "rabbitmq")),
    ),
    "mosquitto": Known(
        "mosquitto",
        994,
        "/var/lib/mosquitto",
        (OwnedFolder("/var/lib/mosquitto", "mosquitto"), OwnedFolder("/var/log/mosquitto", "mosquitto")),
    ),
    "haproxy": Known("haproxy", 993, "/var/lib/haproxy", (OwnedFolder("/run/haproxy", "haproxy"),)),
    "varnish": Known("varnish", 992, "/nonexistent", (OwnedFolder("/var/lib/varnish", "varnish"),)),
    "slapd": Known("openldap", 991, "/var/lib/ldap", (OwnedFolder("/var/lib/ldap", "openldap"),)),
    "postfix": Known("postfix", 990, "/var/spool/postfix", (OwnedFolder("/var/lib/postfix", "postfix"),)),
    "nginx-common": Known(
        "www-data",
        None,
        "/var/www",
        (OwnedFolder("/var/lib/nginx", "www-data"), OwnedFolder("/var/log/nginx", "www-data")),
    ),
    "apache2": Known("www-data", None, "/var/www", (OwnedFolder("/var/cache/apache2", "www-data"),)),
}


def accounts_for(
    packages: Collection[str], sysusers: Iterable[str], passwd: str | None = None, group: str | None = None
) -> Accounts:
    """All accounts of an image. `sysusers` are texts of sysusers.d; `passwd` and `group` what the image had already."""
    users = {user.name: user for user in (BASE_USERS if passwd is None else parse_passwd(passwd))}
    groups = dict(BASE_GROUPS) if group is None else {name: gid for name, gid, _ in parse_group(group)}
    members = {} if group is None else {name: who for name, _, who in parse_group(group) if who}
    made = Accounts(users, groups, members, tuple(folder for known in found(packages) for folder in known.folders))
    for known in found(packages):
        if known.uid is not None and known.user not in users:
            groups.setdefault(known.user, known.uid)
            users[known.user] = User(known.user, known.uid, groups[known.user], "", known.home, known.shell)
    # In the order of names, so that a clash of two dynamic ids is settled the same way every time.
    for line in sorted({line for text in sysusers for line in text.splitlines()}):
        add_sysuser(made, line)
    return made


def found(packages: Collection[str]) -> list[Known]:
    return [known for package, known in KNOWN.items() if package in packages]


def add_sysuser(accounts: Accounts, line: str) -> None:
    """One line of sysusers.d(5): u NAME ID GECOS HOME SHELL, g NAME ID, m USER GROUP; r is for allocators only."""
    fields = shlex.split(line, comments=True)
    if len(fields) < 2 or fields[0].rstrip("!") not in {"u", "g", "m"}:
        return
    kind, name, number, *rest = [*(field if field != "-" else "" for field in fields), "", ""]
    if kind == "m":
        add_group(accounts, number, "")
        accounts.members[number] = tuple(sorted({*accounts.members.get(number, ()), name}))
    elif kind == "g":
        add_group(accounts, name, number)
    elif name not in accounts.users:
        uid, _, of_group = number.partition(":")
        gid = accounts.groups.get(of_group) if of_group and not of_group.isdigit() else None
        if gid is None:
            gid = add_group(accounts, name, of_group or uid)
        gecos, home, shell = ([*rest, "", "", ""])[:3]
        taken = {user.uid for user in accounts.users.values()}
        # a user and the group of its name share a number, as adduser does it
        own = int(uid) if uid.isdigit() else gid if gid not in taken else dynamic_id(name, taken)
        accounts.users[name] = User(name, own, gid, gecos, home or "/", shell or NOLOGIN)


def add_group(accounts: Accounts, name: str, number: str) -> int:
    if name not in accounts.groups:
        taken = {*accounts.groups.values(), *(user.uid for user in accounts.users.values())}
        accounts.groups[name] = int(number) if number.isdigit() else dynamic_id(name, taken)
    return accounts.groups[name]


def dynamic_id(name: str, taken: Collection[int]) -> int:
    start = zlib.crc32(name.encode()) % len(DYNAMIC)
    around = (DYNAMIC[(start + step) % len(DYNAMIC)] for step in range(len(DYNAMIC)))
    return next(number for number in around if number not in taken)


def parse_passwd(text: str) -> list[User]:
    rows = [line.split(":") for line in text.splitlines() if line.count(":") == 6]
    return [User(r[0], int(r[2]), int(r[3]), r[4], r[5], r[6]) for r in rows if r[2].isdigit() and r[3].isdigit()]


def parse_group(text: str) -> list[tuple[str, int, tuple[str, ...]]]:
    rows = [line.split(":") for line in text.splitlines() if line.count(":") == 3]
    return [(r[0], int(r[2]), tuple(filter(None, r[3].split(",")))) for r in rows if r[2].isdigit()]
