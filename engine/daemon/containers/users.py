"""A container's user: names and numbers, looked up in the image's own /etc/passwd and /etc/group. Pure.

Source: dockerd's rules for --user, --group-add; the texts are passwd(5) and group(5).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from engine.api.errors import InvalidArgument

LARGEST = (1 << 31) - 1


@dataclass(frozen=True, slots=True)
class Account:
    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str


def account_of(user: str, added: Sequence[str], passwd: str, group: str) -> Account:
    """`user` is `name|uid[:group|gid]`; empty is root. Supplementary groups count only without an explicit group.

    Raises InvalidArgument for a name that the image doesn't know.
    """
    name, colon, wanted = user.partition(":")
    name = name or "0"
    known = list(rows(passwd, 4))
    groups = list(rows(group, 3))
    row = next((r for r in known if r[0] == name), None) or next((r for r in known if r[2] == name), None)
    if row is not None:
        uid, gid, home = number(row[2]), number(row[3]), row[5] if len(row) > 5 else "/"
        login = row[0]
    elif name.isdecimal():
        uid, gid, home, login = number(name), 0, "/", ""
    else:
        raise InvalidArgument(f"unable to find user {name}: no matching entries in passwd file")
    extra: list[int] = []
    if colon and wanted:
        gid = group_of(wanted, groups, words="unable to find group")
    elif login:
        extra = [number(r[2]) for r in groups if len(r) > 3 and login in r[3].split(",")]
    extra += [group_of(word, groups) for word in added]
    return Account(uid, gid, tuple(dict.fromkeys(extra)), home)


def group_of(word: str, groups: Sequence[Sequence[str]], *, words: str = "Unable to find group") -> int:
    for row in groups:
        if row[0] == word:
            return number(row[2])
    if word.isdecimal():
        return number(word)
    raise InvalidArgument(f"{words} {word}: no matching entries in group file")


def rows(text: str, least: int) -> Iterator[list[str]]:
    """Lines with at least `least` fields and a number in the third."""
    for line in text.splitlines():
        row = line.strip().split(":")
        if len(row) >= least and row[2].isdecimal() and (least < 4 or row[3].isdecimal()):
            yield row


def number(text: str) -> int:
    found = int(text)
    if found > LARGEST:
        raise InvalidArgument(f"uids and gids must be in range 0-{LARGEST}")
    return found
