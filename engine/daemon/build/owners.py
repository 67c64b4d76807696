"""--chown and --chmod: names looked up in the image's own accounts, modes in octal or in words. Pure but for the look.

Source: Dockerfile reference, "COPY --chown --chmod".
"""

from __future__ import annotations

import contextlib
import os
import re
import stat

from engine.daemon.build.faults import StepFault
from engine.kit.rooted import RootedFolder

LARGEST = 4 << 20
CLAUSE = re.compile(r"([ugoa]*)((?:[-+=](?:[ugo]|[rwxXst]*))+)", re.ASCII)
ACTION = re.compile(r"([-+=])([ugo]|[rwxXst]*)", re.ASCII)
SHIFTS = {"u": 6, "g": 3, "o": 0}


def owner_of(text: str, root: RootedFolder) -> tuple[int, int]:
    """`user[:group]`, names or numbers. A user alone: the group of that name or number, else the user's own.

    Raises StepFault for a name that the image doesn't know.
    """
    user, colon, group = text.partition(":")
    users, groups = accounts(root, b"etc/passwd"), accounts(root, b"etc/group")
    gid_of_user: int | None = None
    if user.isdecimal():
        uid = int(user)
    elif user in users:
        uid, gid_of_user = int(users[user][2]), int(users[user][3]) if users[user][3].isdecimal() else None
    else:
        raise StepFault(f"unable to convert uid/gid chown string to host mapping: can't find uid for user {user}")
    if not colon or not group:
        if user in groups:
            return uid, int(groups[user][2])
        return uid, gid_of_user if gid_of_user is not None else uid
    if group.isdecimal():
        return uid, int(group)
    if group not in groups:
        raise StepFault(f"unable to convert uid/gid chown string to host mapping: can't find gid for group {group}")
    return uid, int(groups[group][2])


def accounts(root: RootedFolder, path: bytes) -> dict[str, list[str]]:
    """Rows by name; empty where the image has no such file."""
    with contextlib.suppress(OSError):
        handle = root.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as file:
            if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                rows = [line.split(":") for line in file.read(LARGEST).decode(errors="replace").splitlines()]
                return {row[0]: [*row, "", ""] for row in rows if len(row) > 2 and row[2].isdecimal()}
    return {}


def mode_of(text: str, before: int, *, is_folder: bool) -> int:
    """The permission bits after --chmod. Raises StepFault."""
    if re.fullmatch(r"[0-7]{1,5}", text, re.ASCII) and int(text, 8) <= 0o7777:
        return int(text, 8)
    mode = stat.S_IMODE(before)
    for clause in text.split(","):
        match = CLAUSE.fullmatch(clause)
        if match is None:
            raise StepFault(f"invalid chmod parameter: '{text}'. it should be octal string, or like u=rwX,go=rX")
        for operator, letters in ACTION.findall(match[2]):
            mode = changed(mode, match[1] or "a", operator, letters, is_folder=is_folder)
    return mode


def changed(mode: int, who: str, operator: str, letters: str, *, is_folder: bool) -> int:
    whom = "ugo" if "a" in who else who
    bits = mask = 0
    for one in whom:
        shift = SHIFTS[one]
        mask |= 0o7 << shift
        if letters in SHIFTS:
            # as another class has it: g=u
            bits |= (mode >> SHIFTS[letters] & 0o7) << shift
            continue
        for letter in letters:
            value = {"r": 4, "w": 2, "x": 1}.get(letter, 0)
            if letter == "X" and (is_folder or mode & 0o111):
                value = 1
            bits |= value << shift
        if "s" in letters and one in "ug":
            bits |= stat.S_ISUID if one == "u" else stat.S_ISGID
    if "t" in letters:
        bits |= stat.S_ISVTX
    if operator == "+":
        return mode | bits
    return mode & ~bits if operator == "-" else (mode & ~mask) | bits
