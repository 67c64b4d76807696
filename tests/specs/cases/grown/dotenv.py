"""Env files by chance: `.env`, `--env-file`, COMPOSE_ENV_FILES, `env_file` in both formats, label files."""

from __future__ import annotations

import random

from tests.specs.cases.case import Case

NAMES = ("A", "B", "C", "LONG_NAME", "a.b", "x-y", "N1", "_U")
ODD_NAMES = ("1A", "A B", "é", "A[0]", "", "A/B", "a:b", "-", "export", "A\tB")
PIECES = (
    *(
        "v",
        "two words",
        "1",
        "true",
        "a=b",
        "a:b",
        "#c",
        " #c",
        "'",
        '"',
        "\\",
        "\\n",
        "\\t",
        "\\$",
        "$",
        "$$",
        "$A",
        "${A}",
    ),
    *(
        "${B:-d}",
        "${B-d}",
        "${C:+alt}",
        "${C+alt}",
        "${A}${B}",
        "${A:-${B:-x}}",
        "$A$B",
        "${",
        "}",
        "{x}",
        "\\\\",
        "\\'",
    ),
    *(
        '\\"',
        "\t",
        "é",
        "日",
        "%B%",
        "`x`",
        "$(x)",
        "http://h:1/p?q#f",
        "~",
        "*",
        "&",
        "!",
        "\\u0041",
        "\\x41",
        "\\0101",
    ),
    *("\\a", "\\z", "[a, b]", "\u00a0", "\\r", "${A:?no}", "${UNSET?no}", "$1", "${1}", "$a.b", "${a.b}", "$_U", "A"),
)
ENDINGS = ("\n", "\n", "\n", "\n", "\r\n", "\n\n", "\r", "")
SHOWN = (
    "services:\n  a:\n    image: x:${TAG:-t}\n    "
    "environment: [A, B, C, LONG_NAME, N1, 'S=${A:-none}', 'T=$B', 'U=${C}']\n"
)


def dotenv(chance: random.Random, id: str) -> Case:
    """One case: some env files, and a project that shows what came of them."""
    files: dict[str, str | bytes] = {}
    environment = {
        name: chance.choice(("os", "", "$A", "5")) for name in chance.sample(NAMES, chance.choice((0, 0, 1, 2)))
    }
    argv: list[str] = []
    way = chance.choice(("default", "default", "flag", "variable", "service", "service", "raw", "labels", "directory"))
    names = ["one.env", "two.env", "sub/three.env"][: chance.randint(1, 3)]
    for name in names:
        files[f"work/{name}"] = text(chance)
    if way in {"default", "directory"} or chance.random() < 0.3:
        files["work/.env"] = text(chance)
    project = SHOWN
    match way:
        case "flag":
            argv = [word for name in names for word in ("--env-file", name)]
        case "variable":
            environment["COMPOSE_ENV_FILES"] = ",".join(names)
        case "service" | "raw":
            entries = [entry(chance, name, raw=way == "raw") for name in names]
            project += f"    env_file: [{', '.join(entries)}]\n"
        case "labels":
            project += f"    label_file: [{', '.join(names)}]\n    labels: {{A: own}}\n"
        case "directory":
            files["work/sub/.env"] = text(chance)
            argv = ["--project-directory", "sub"]
    if chance.random() < 0.1:
        environment["COMPOSE_DISABLE_ENV_FILE"] = chance.choice(("1", "true", "0", "maybe"))
    files["work/compose.yaml"] = project
    return Case(id, files, tuple(argv), env=environment)


def entry(chance: random.Random, name: str, *, raw: bool) -> str:
    if not raw and chance.random() < 0.6:
        return name
    more = ", format: raw" if raw and chance.random() < 0.9 else ""
    return f"{{path: {name}{more}{chance.choice(('', ', required: false', ', required: true'))}}}"


def text(chance: random.Random) -> str:
    start = "\ufeff" if chance.random() < 0.03 else ""
    ending = chance.choice(ENDINGS) if chance.random() < 0.3 else "\n"
    lines = [line(chance) for _ in range(chance.randint(1, 6))]
    return start + "".join(one + (chance.choice(ENDINGS) if chance.random() < 0.08 else ending) for one in lines)


def line(chance: random.Random) -> str:
    kind = chance.random()
    if kind < 0.08:
        return chance.choice(("# comment", "  # indented", "", "   ", "#A=1"))
    name = chance.choice(ODD_NAMES) if chance.random() < 0.04 else chance.choice(NAMES)
    name = (
        chance.choice(("", "", "", "", "export ", "export  ", " ", "\t", "exportx ")) + name
        if chance.random() < 0.3
        else name
    )
    if kind < 0.13:
        return name
    equals = chance.choice(("=", "=", "=", "=", " = ", "= ", " =", ": ", ":", "=\t"))
    tail = chance.choice(("", "", "", " ", " # tail", "# tight", "\t# tab", "x", " x")) if chance.random() < 0.3 else ""
    return name + equals + value(chance) + tail


def value(chance: random.Random) -> str:
    inner = "".join(chance.choice(PIECES) for _ in range(chance.choice((0, 1, 1, 1, 2, 3))))
    match chance.choice(("plain", "plain", "single", "double", "double", "split", "backtick")):
        case "single":
            return "'" + inner.replace("'", "" if chance.random() < 0.9 else "'") + "'"
        case "double":
            return '"' + (inner.replace('"', "") if chance.random() < 0.8 else inner) + '"'
        case "split":
            quote = chance.choice("'\"")
            return quote + inner.replace(quote, "") + "\n" + chance.choice(PIECES).replace(quote, "") + quote
        case "backtick":
            return "`" + inner + "`"
    return inner
