"""Words with variables, quotes and escapes, as BuildKit expands them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.dockerfile.expand import CantExpand, expand, expand_heredoc, expand_words, used_in

ENV = {"X": "xyz", "EMPTY": "", "P": "/a/b.c.tar.gz", "S": "one two", "KO": "한글"}


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("plain", "plain"),
        ("$X", "xyz"),
        ("${X}_$X", "xyz_xyz"),
        ("\\$X", "$X"),
        ("'$X'", "$X"),
        ('"$X"', "xyz"),
        ('"\\$X \\" \\a"', '$X " \\a'),
        ("a\\ b", "a b"),
        ("$NOT", ""),
        ("${NOT:-d}", "d"),
        ("${EMPTY:-d}", "d"),
        ("${EMPTY-d}", ""),
        ("${X:+y}", "y"),
        ("${EMPTY:+y}", ""),
        ("${EMPTY+y}", "y"),
        ("${NOT:-${X}}", "xyz"),
        ("${NOT:-a}b}", "ab}"),
        ("${X:?fault}", "xyz"),
        ("${P#*/}", "a/b.c.tar.gz"),
        ("${P##*/}", "b.c.tar.gz"),
        ("${P%.*}", "/a/b.c.tar"),
        ("${P%%.*}", "/a/b"),
        ("${X#n}", "xyz"),
        ("${X/y/-}", "x-z"),
        ("${P//./_}", "/a/b_c_tar_gz"),
        ("${X/?/-}", "-yz"),
        ("${X//*/-}", "-"),
        ("${X#\\*}", "xyz"),
        ("${KO}", "한글"),
        ("$", "$"),
        ("$%", "$%"),
        ("''", ""),
        ("a'b'\"c\"", "abc"),
    ],
)
def test_a_word_has_its_value(word: str, value: str) -> None:
    assert expand(word, ENV) == value


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("${", "bad substitution"),
        ("${X", "missing '}'"),
        ("${X:-a", "matching }"),
        ("${X!a}", "unsupported modifier (!)"),
        ("'a", "single-quote"),
        ('"a', "double-quote"),
        ("${NOT:?it must be}", "NOT: it must be"),
        ("${EMPTY:?}", "EMPTY: parameter not set"),
    ],
)
def test_a_word_that_cant_be_read_says_why(word: str, told: str) -> None:
    with pytest.raises(CantExpand, match=told.replace("(", r"\(").replace(")", r"\)").replace("}", r"\}")):
        expand(word, ENV)


def test_the_escape_token_is_the_directives() -> None:
    assert expand("a`$X\\n", ENV, "`") == "a$X\\n"


def test_values_are_split_at_blanks_that_nobody_quoted() -> None:
    assert expand_words("$S '$S' a\\ b \"$S\"", ENV) == ["one", "two", "$S", "a b", "one two"]
    assert expand_words("  ", ENV) == []
    assert expand_words("''", ENV) == [""]


def test_a_heredoc_keeps_its_quotes() -> None:
    assert expand_heredoc("say \"$X\" '${X}' \\$X\n", ENV) == "say \"xyz\" 'xyz' $X\n"


def test_names_without_a_default_are_what_a_word_needs() -> None:
    assert used_in("$A ${B:-$C} ${D:+x}") == {"A", "C"}


@given(st.text("$X{}:-+#%/?'\"\\ ab", max_size=20))
def test_every_word_has_a_value_or_a_fault(word: str) -> None:
    try:
        expand(word, ENV)
    except CantExpand:
        return
