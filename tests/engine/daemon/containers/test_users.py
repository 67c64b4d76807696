"""Users and groups by name and number, out of the image's own files."""

from __future__ import annotations

import pytest

from engine.api.errors import InvalidArgument
from engine.daemon.containers.users import account_of

PASSWD = "root:x:0:0:root:/root:/bin/sh\nweb:x:33:33::/srv:/bin/sh\n# odd\n7:x:77:70:::\n"
GROUP = "root:x:0:\nweb:x:33:\nmedia:x:44:web,other\naudio:x:29:web\nbroken\n"


@pytest.mark.parametrize(
    ("user", "uid", "gid", "groups"),
    [
        ("", 0, 0, ()),
        ("web", 33, 33, (44, 29)),
        ("33", 33, 33, (44, 29)),
        ("web:media", 33, 44, ()),
        ("1234", 1234, 0, ()),
        ("1234:5678", 1234, 5678, ()),
        ("7", 77, 70, ()),
    ],
)
def test_a_user_is_found_by_name_or_number(user: str, uid: int, gid: int, groups: tuple[int, ...]) -> None:
    found = account_of(user, [], PASSWD, GROUP)
    assert (found.uid, found.gid, found.groups) == (uid, gid, groups)


def test_added_groups_come_by_name_and_number_once_each() -> None:
    assert account_of("web", ["audio", "55", "55"], PASSWD, GROUP).groups == (44, 29, 55)


@pytest.mark.parametrize(
    ("user", "words"), [("nobody", "unable to find user nobody"), ("web:no", "unable to find group no")]
)
def test_an_unknown_name_is_refused(user: str, words: str) -> None:
    with pytest.raises(InvalidArgument, match=words):
        account_of(user, [], PASSWD, GROUP)


def test_a_number_past_the_kernels_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="must be in range"):
        account_of("4294967295", [], "", "")
