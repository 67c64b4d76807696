"""`.dockerignore` means what moby's patternmatcher makes of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.dockerfile.ignore import parse


@pytest.mark.parametrize(
    ("text", "path", "excluded"),
    [
        # anchored at the root, as gitignore's patterns aren't
        ("*.pyc", "a.pyc", True),
        ("*.pyc", "lib/a.pyc", False),
        ("**/*.pyc", "a.pyc", True),
        ("**/*.pyc", "lib/deep/a.pyc", True),
        ("/docs/", "docs/a", True),
        ("./docs", "docs/a", True),
        ("a//b/../c", "a/c", True),
        # a folder takes all below it along
        ("docs", "docs/deep/a.md", True),
        ("doc*", "docs/deep/a.md", True),
        ("docs/*", "docs", False),
        ("docs/**", "docs", False),
        ("docs/**", "docs/deep/a", True),
        ("**", "anything/at/all", True),
        # one part, one character, one set
        ("a?c", "abc", True),
        ("a?c", "a/c", False),
        ("a?b", "a☺b", True),
        ("a[b-d]e", "ace", True),
        ("a[^b-d]e", "ace", False),
        (r"a\*b", "a*b", True),
        (r"a\*b", "axb", False),
        ("a.b", "axb", False),
        ("a(b)|{c}$", "a(b)|{c}$", True),
        # ** stands for whole folders, but a leading one before plain text is a bare suffix
        ("a**/b", "a/x/y/b", True),
        ("a**b", "axb", False),
        ("**file", "myfile", True),
        ("**/file", "myfile", False),
        # the last pattern that matches decides
        ("*.md\n!README.md", "README.md", False),
        ("!README.md\n*.md", "README.md", True),
        ("docs\n!docs/keep\ndocs/keep/not", "docs/keep/yes", False),
        ("docs\n!docs/keep\ndocs/keep/not", "docs/keep/not", True),
        ("*\n!src", "src/deep/a.c", False),
        # comments in the first column only, blanks around don't count
        ("# a\nb", "# a", False),
        ("  b  ", "b", True),
        (" #b", "#b", True),
        ("! b", "b", False),
        ("\ufeffb", "b", True),
        (".", "b", False),
        ("..", "b", False),
    ],
)
def test_a_pattern_excludes_what_docker_would(text: str, path: str, excluded: bool) -> None:
    assert parse(text).excludes(path) is excluded


@pytest.mark.parametrize("text", ["!", "[", "a[", "[^b", "[]a]", "[-]", "[x-]", "[a-b-c]", "\\"])
def test_a_pattern_that_docker_refuses_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(ValueError, match="line 2: "):
        parse(f"fine\n{text}")


@pytest.mark.parametrize(
    ("text", "folder", "may"),
    [
        ("a\n!a/b/c", "a", True),
        ("a\n!a/b/c", "a/b", True),
        ("a\n!a/b/c", "a/x", False),
        ("a\n!b", "a", False),
        ("*\n!**/keep", "a/deep", True),
        ("*\n!s*/x", "src", True),
        ("a", "a", False),
    ],
)
def test_an_excluded_folder_is_entered_only_for_what_could_be_taken_back(text: str, folder: str, may: bool) -> None:
    assert parse(text).may_take_back_below(folder) is may


@given(st.text(alphabet="ab/*?[]^!-\\.# \n", max_size=30), st.text(alphabet="ab/.-", min_size=1, max_size=12))
def test_no_text_is_too_odd(text: str, path: str) -> None:
    try:
        ignore = parse(text)
    except ValueError as error:
        assert str(error).startswith("line ")
    else:
        assert ignore.excludes(path) in {True, False}
