"""Dockerfile texts → instructions with their places; what is wrong is told with line, column and a hint."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.dockerfile.faults import DockerfileError, Place
from engine.dockerfile.instructions import (
    Arg,
    Command,
    Copy,
    Env,
    Expose,
    Healthcheck,
    Instruction,
    Label,
    Onbuild,
    Run,
    Shell,
    Volume,
)
from engine.dockerfile.lint import lint
from engine.dockerfile.mounts import Mount, mount_of
from engine.dockerfile.parse import Dockerfile, parse, parse_strictly, parse_triggers


def instructions(text: str) -> list[Instruction]:
    return parse_strictly("FROM scratch\n" + text).stages[0].instructions


def one(text: str) -> Instruction:
    (found,) = instructions(text)
    return found


def faults(text: str) -> list[str]:
    return [fault.told() for fault in parse(text).faults]


def lints(text: str) -> list[str]:
    found = parse(text)
    assert not found.faults
    return [fault.told() for fault in lint(found)]


def test_continued_lines_are_joined_without_their_comments_and_faults_keep_their_places() -> None:
    run = one("RUN a \\\n  # not this\n  b \\\n\t&& c")
    assert isinstance(run, Run)
    assert run.command == Command(("a   b \t&& c",), shell=True)
    (fault,) = parse("FROM scratch\nCOPY \\\n  --form=x a b\n").faults
    assert (fault.place, fault.hint) == (Place(3, 3), "did you mean --from?")


def test_the_escape_directive_turns_backslashes_into_characters() -> None:
    found = parse_strictly("# escape=`\nFROM scratch\nRUN dir c:\\ `\n  /s\n")
    run = found.stages[0].instructions[0]
    assert isinstance(run, Run)
    assert run.command.words == ("dir c:\\   /s",)
    assert found.escape == "`"


def test_directives_end_at_the_first_line_that_is_none() -> None:
    assert dict(parse("#syntax=docker/dockerfile:1\n# check=skip=all\n\n# escape=`\nFROM a").lexed.directives) == {
        "syntax": "docker/dockerfile:1",
        "check": "skip=all",
    }
    assert faults("# escape=x\nFROM a") == ["Dockerfile:1:1: error[escape]: invalid escape token 'x' (write \\ or `)"]
    assert "only one escape" in faults("# escape=`\n# escape=`\nFROM a")[0]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("FROM a\nRUNN x", "2:1: error[unknown-instruction]: unknown instruction: RUNN (did you mean RUN?)"),
        ("FROM a\nfoo", "2:1: error[unknown-instruction]: unknown instruction: foo"),
        ("FROM a\nRUN --mont=type=cache x", "2:5: error[unknown-flag]: unknown flag: --mont (did you mean --mount?)"),
        ("FROM a\nCMD --x y", "2:5: error[unknown-flag]: unknown flag: --x (CMD has no flags)"),
        ("FROM a\nCOPY --chown a b", "2:6: error[flag]: missing a value on flag: --chown"),
        ("FROM a\nCOPY --link=7 a b", "2:6: error[flag]: expecting boolean value for flag link, not: 7"),
        ("FROM a\nCOPY a", "2:1: error[arguments]: COPY requires at least two arguments: a source and a destination"),
        ("FROM a\nRUN", "2:1: error[arguments]: RUN requires at least one argument"),
        ("FROM a\nENV a=1 b", '2:9: error[pair]: syntax error - can\'t find = in "b": must be of the form: name=value'),
        ("FROM a\nENV a", "2:5: error[arguments]: ENV must have two arguments (write name=value)"),
        ("FROM a\nSHELL bash", "2:7: error[json]: SHELL requires the arguments to be in JSON form"),
        (
            'FROM a\nCMD ["a", 1]',
            "2:5: error[json]: when using JSON array syntax, arrays must be comprised of strings only",
        ),
        ("FROM a\nHEALTHCHECK CMD []", "2:13: error[arguments]: missing command after HEALTHCHECK CMD"),
        ("FROM a\nONBUILD FROM x", "2:9: error[onbuild]: FROM isn't allowed as an ONBUILD trigger"),
        ("FROM a\nONBUILD RUNN x", "2:9: error[unknown-instruction]: unknown instruction: RUNN (did you mean RUN?)"),
        ("FROM a\nHEALTHCHECK CDM x", '2:13: error[arguments]: unknown type "CDM" in HEALTHCHECK (try CMD)'),
        ("FROM a\nHEALTHCHECK --interval=3 CMD x", '2:13: error[flag]: --interval: invalid duration "3" (write 30s'),
        ("FROM a\nRUN --mount=type=cahce,target=/x y", '2:5: error[mount]: unsupported mount type "cahce": did you'),
        ("FROM a\nRUN --mount=type=cache y", "2:5: error[mount]: a mount of type cache needs a target"),
        ("FROM a\nRUN --mount=type=cache,target=/a,siz=1 y", "2:5: error[mount]: unexpected key 'siz' in a mount"),
        ("FROM a\nRUN --network=hots x", "2:5: error[flag]: invalid network mode: hots (did you mean host?)"),
        ("FROM a\nADD --checksum=md5:1 a b", "2:5: error[flag]: invalid checksum: md5:1"),
        ("FROM a AS 1b", '1:1: error[stage-name]: invalid name for build stage: "1b"'),
        ("FROM a B", "1:6: error[arguments]: FROM requires either one argument, or three"),
        ("RUN x\nFROM a", "1:1: error[no-stage]: no build stage in current context: RUN must come after a FROM"),
        ("# nothing", "1:1: error[empty]: the Dockerfile cannot be empty: it needs a FROM"),
        ("ARG x=1", "1:1: error[no-stage]: no build stage in the Dockerfile: it needs a FROM"),
        ("FROM a\nRUN <<EOF\nx", "2:1: error[heredoc]: unterminated heredoc: there is no line EOF"),
        ("FROM a\nRUN a \\\n\n b", "3:1: warning[empty-continuation]"),
        ("FROM a AS x\nFROM b AS x", '2:1: warning[duplicate-stage]: duplicate name "x"'),
    ],
)
def test_a_fault_is_told_with_its_place_and_what_was_meant(text: str, told: str) -> None:
    assert faults(text)[0].startswith(f"Dockerfile:{told}")


def test_every_fault_of_a_text_is_found() -> None:
    with pytest.raises(DockerfileError) as caught:
        parse_strictly("FROM a\nRUNN\nCOPY x\nUSER a b\n")
    assert [fault.place.line for fault in caught.value.faults] == [2, 3, 4]


def test_heredocs_belong_to_run_and_copy() -> None:
    run, copy, after = instructions(
        "RUN cat <<A 3<<-'B'\n\tone\nA\n\ttwo\n\tB\nCOPY <<\"x.txt\" /to\n$y\nx.txt\nUSER me"
    )
    assert isinstance(run, Run)
    first, second = run.heredocs
    assert (first.name, first.content, first.expand, first.chomp) == ("A", "\tone\n", True, False)
    assert (second.descriptor, second.text, second.expand, second.chomp) == ("3", "two\n", False, True)
    assert isinstance(copy, Copy)
    assert copy.sources == ("<<x.txt",) and copy.inline["x.txt"].content == "$y\n"
    assert not copy.inline["x.txt"].expand
    assert after.said.place == Place(10, 1)


def test_a_here_string_is_no_heredoc() -> None:
    run = one("RUN cat <<< word")
    assert isinstance(run, Run) and not run.heredocs


def test_an_onbuild_heredoc_goes_with_its_trigger() -> None:
    onbuild = one("ONBUILD RUN <<EOF\necho\nEOF")
    assert isinstance(onbuild, Onbuild)
    (run,) = parse_triggers([onbuild.trigger])
    assert isinstance(run, Run) and run.heredocs[0].content == "echo\n"


def test_old_and_new_forms_of_env_and_label() -> None:
    assert one("ENV a b  c=d") == Env(one("ENV a b  c=d").said, (("a", "b  c=d"),), old=True)
    env = one("ENV a=1 \\\n b='2 3' c=4\\ 5")
    assert isinstance(env, Env) and env.values == (("a", "1"), ("b", "'2 3'"), ("c", "4\\ 5"))
    label = one('LABEL "a.b"="c d" e=')
    assert isinstance(label, Label) and label.values == (('"a.b"', '"c d"'), ("e", ""))
    arg = one("ARG a b=1 c=")
    assert isinstance(arg, Arg) and arg.values == (("a", None), ("b", "1"), ("c", ""))


def test_flags_of_copy_and_add() -> None:
    copy = one('COPY --from=x --chown=a:b --chmod=0755 --link --parents --exclude=*.c --exclude="a b" ["a c", "/d"]')
    assert isinstance(copy, Copy)
    assert (copy.origin, copy.chown, copy.chmod, copy.link, copy.parents) == ("x", "a:b", "0755", True, True)
    assert copy.exclude == ("*.c", "a b") and copy.sources == ("a c",) and copy.destination == "/d"
    add = one(f"ADD --checksum=sha256:{'0' * 64} --keep-git-dir=true --unpack=false https://x/y /z")
    assert isinstance(add, Copy) and add.add and add.keep_git_dir and add.unpack is False


def test_the_remaining_instructions() -> None:
    assert isinstance(found := one('SHELL ["/bin/bash", "-c"]'), Shell) and found.words == ("/bin/bash", "-c")
    assert isinstance(found := one('VOLUME ["/a b"]'), Volume) and found.paths == ("/a b",)
    assert isinstance(found := one("VOLUME /a /b"), Volume) and found.paths == ("/a", "/b")
    assert isinstance(found := one("EXPOSE 80 8000-8010/udp $P"), Expose) and found.ports == (
        "80",
        "8000-8010/udp",
        "$P",
    )
    health = one("HEALTHCHECK --interval=1m30s --start-interval=100ms --retries=2 CMD curl -f localhost || exit 1")
    assert isinstance(health, Healthcheck)
    assert (health.test, health.interval, health.start_interval, health.retries) == (
        ("CMD-SHELL", "curl -f localhost || exit 1"),
        90_000_000_000,
        100_000_000,
        2,
    )
    assert isinstance(found := one('HEALTHCHECK CMD ["a", "b"]'), Healthcheck) and found.test == ("CMD", "a", "b")
    assert isinstance(found := one("HEALTHCHECK none"), Healthcheck) and found.test == ("NONE",)
    run = one('RUN --network=none --security=sandbox ["a", "-b"]')
    assert isinstance(run, Run)
    assert (run.network, run.security, run.command) == ("none", "sandbox", Command(("a", "-b"), shell=False))
    assert isinstance(found := one("RUN [ -f x ] && y"), Run) and found.command.shell


def test_mounts_of_run() -> None:
    run = one("RUN --mount=type=secret,id=k,env=KEY,required --mount=target=/src,from=a,rw make")
    assert isinstance(run, Run)
    secret, bind = (mount_of(mount.options) for mount in run.mounts)
    assert secret == Mount(type="secret", id="k", env="KEY", required=True, read_only=False)
    assert bind == Mount(type="bind", target="/src", origin="a", read_only=False)
    cache = mount_of([("type", "cache"), ("dst", "/c"), ("mode", "0700"), ("uid", "5"), ("sharing", "locked")])
    assert cache == Mount(type="cache", target="/c", read_only=False, mode=0o700, uid=5, sharing="locked")
    assert mount_of([("type", "tmpfs"), ("target", "/t"), ("size", "2m")]).size == 2 << 20


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("FROM a\nrun x\nUSER b", "2:1: warning[consistent-instruction-casing]: command 'run'"),
        ("FROM a as b", "1:1: warning[from-as-casing]: 'as' and 'FROM'"),
        ("FROM a AS B", "1:1: warning[stage-name-casing]: stage name 'B' should be lowercase"),
        ("FROM a\nCMD x", "2:1: warning[json-args-recommended]"),
        ("FROM a\nMAINTAINER x", "2:1: warning[maintainer-deprecated]"),
        ("FROM a\nWORKDIR x", "2:1: warning[workdir-relative-path]"),
        ('FROM a\nCMD ["x"]\nCMD ["y"]', "2:1: warning[multiple-instructions-disallowed]"),
        ("FROM a\nENV x y", "2:1: warning[legacy-key-value-format]"),
        ("FROM --platform=$TARGETPLATFORM a", "1:1: warning[redundant-target-platform]"),
        ("FROM a\nARG DB_PASSWORD", "2:1: warning[secrets-used-in-arg-or-env]"),
        ("FROM a:$TAG", "1:1: warning[undefined-arg-in-from]: FROM argument 'TAG'"),
        ("FROM scratch\nCOPY a $OUT/", "2:1: warning[undefined-var]: usage of undefined variable '$OUT'"),
        ("FROM a\nEXPOSE 80/TCP", "2:1: warning[expose-proto-casing]"),
    ],
)
def test_checks_warn(text: str, told: str) -> None:
    assert lints(text)[0].startswith(f"Dockerfile:{told}")
    assert lints(f"# check=skip=all\n{text}") == []


def test_a_check_can_be_made_an_error() -> None:
    assert "error[maintainer" in lints("# check=error=true\nFROM a\nMAINTAINER x")[0]
    assert lints("# check=skip=MaintainerDeprecated;error=true\nFROM a\nMAINTAINER x") == []


def test_good_texts_have_nothing_to_be_told() -> None:
    text = "ARG V=1\nFROM a:$V AS b\nARG X\nENV TOKEN_FILE=/x\nRUN echo $X\nFROM scratch\nCOPY --from=b /x /y\n"
    assert lints(text) == []


WORDS = [
    "FROM",
    "RUN",
    "COPY",
    "ONBUILD",
    "ENV",
    "--x=",
    "--mount=",
    "<<EOF",
    "EOF",
    "\\",
    "\n",
    "$",
    "{",
    "[",
    '"',
    "'",
    "=",
    "a",
    " ",
    "#",
]


@given(st.lists(st.sampled_from(WORDS), max_size=30))
def test_no_text_makes_the_parser_fall(words: list[str]) -> None:
    found = parse("".join(words))
    assert isinstance(found, Dockerfile)
    lint(found)
