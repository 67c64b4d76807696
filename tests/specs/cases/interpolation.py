# ruff: noqa: E501 (a case a line: tables read across)
"""Every interpolation form in every kind of place; `.env` and env_file syntax."""

from __future__ import annotations

from collections.abc import Iterator

from tests.specs.cases.case import Case, table

ENVIRONMENT = {
    "SET": "value", "EMPTY": "", "NUMBER": "5", "BOOL": "true", "SPACES": " a b ", "DOLLAR": "$SET", "QUOTED": '"q"',
    "PORT": "8080:80", "LIST": "[a, b]", "DURATION": "10s", "SIZE": "5m", "BAD": "nope",
}  # fmt: skip
# Places whose type or position changes what becomes of the value.
PLACES = {
    "image": "services: {a: {image: 'x:@'}}",
    "environment-map": "services: {a: {image: x, environment: {K: '@'}}}",
    "environment-list": "services: {a: {image: x, environment: ['K=@']}}",
    "command-string": "services: {a: {image: x, command: 'echo @'}}",
    "label-key": "services: {a: {image: x, labels: {'@': v}}}",
}
TYPED = {
    "bool": ("services: {a: {image: x, tty: '@'}}", ("$BOOL", "$BAD", "$UNSET", "$NUMBER", "${UNSET:-false}", "${UNSET:-no}", "${UNSET:-1}")),
    "init": ("services: {a: {image: x, init: '@'}}", ("$BOOL", "$BAD", "$UNSET", "${UNSET:-off}")),
    "int": ("services: {a: {image: x, scale: '@'}}", ("$NUMBER", "$BAD", "$UNSET", "${UNSET:-2}", "1.5", "0x2")),
    "replicas": ("services: {a: {image: x, deploy: {replicas: '@'}}}", ("$NUMBER", "$BAD", "$UNSET", "${UNSET:-0}")),
    "cpus": ("services: {a: {image: x, cpus: '@'}}", ("$NUMBER", "$BAD", "$UNSET", "${UNSET:-0.5}")),
    "limit-cpus": ("services: {a: {image: x, deploy: {resources: {limits: {cpus: '@'}}}}}", ("$NUMBER", "$BAD", "$UNSET", "${UNSET:-0.5}")),
    "size": ("services: {a: {image: x, mem_limit: '@'}}", ("$SIZE", "$BAD", "$UNSET", "$NUMBER")),
    "duration": ("services: {a: {image: x, stop_grace_period: '@'}}", ("$DURATION", "$BAD", "$UNSET", "$NUMBER")),
    "ports": ("services: {a: {image: x, ports: ['@']}}", ("$PORT", "$BAD", "$UNSET", "$NUMBER", "${UNSET:-}:80", "$NUMBER:80")),
    "target": ("services: {a: {image: x, ports: [{target: '@'}]}}", ("$NUMBER", "$BAD", "$UNSET")),
    "list": ("services: {a: {image: x, cap_add: '@'}}", ("$LIST", "$SET")),
    "volume": ("services: {a: {image: x, volumes: ['@:/x']}}", ("$SET", "./$SET", "$UNSET", "${UNSET:-.}", "/$SET")),
    "read-only": ("services: {a: {image: x, volumes: [{type: bind, source: ., target: /x, read_only: '@'}]}}", ("$BOOL", "$BAD", "$UNSET")),
    "external": ("services: {a: {image: x, networks: [n]}}\nnetworks: {n: {external: '@'}}", ("$BOOL", "$BAD", "$UNSET", "${UNSET:-false}")),
    "internal": ("services: {a: {image: x, networks: [n]}}\nnetworks: {n: {internal: '@'}}", ("$BOOL", "$BAD", "$UNSET")),
    "service-name": ("services: {'@': {image: x}}", ("$SET", "${SET}")),
    "network-name": ("services: {a: {image: x, networks: ['@']}}\nnetworks: {value: }", ("$SET", "$UNSET")),
    "depends": ("services: {a: {image: x, depends_on: ['@']}, value: {image: y}}", ("$SET", "$UNSET")),
    "depends-key": ("services: {a: {image: x, depends_on: {'@': {condition: service_started}}}, value: {image: y}}", ("$SET",)),
    "profiles": ("services: {a: {image: x, profiles: ['@']}, b: {image: y}}", ("$SET", "$UNSET")),
    "retries": ("services: {a: {image: x, healthcheck: {test: x, retries: '@'}}}", ("$NUMBER", "$BAD", "$UNSET")),
    "ulimit": ("services: {a: {image: x, ulimits: {nofile: '@'}}}", ("$NUMBER", "$BAD", "$UNSET")),
    "mode": ("services: {a: {image: x, secrets: [{source: s, mode: '@'}]}}\nsecrets: {s: {environment: KEY}}", ("0400", "$BAD", "$NUMBER")),
    "extension": ("x-a: '@'\nservices: {a: {image: x, x-b: '@'}}", ("$SET", "${UNSET:?no}", "$NUMBER")),
    "comment": ("services: {a: {image: x}} # @\n", ("${UNSET:?no}",)),
    "name": ("name: '@'\nservices: {a: {image: x}}", ("$SET", "$UNSET", "$SPACES")),
}  # fmt: skip
DOTENV = {
    "plain": "A=1", "spaces": "A = 1 ", "single": "A='a b'", "double": 'A="a b"', "single-dollar": "A='$B'\nB=2",
    "double-dollar": 'B=2\nA="$B-${B}"', "plain-dollar": "B=2\nA=$B", "forward": "A=$B\nB=2", "default": "A=${NOPE:-d}",
    "required": "A=${NOPE:?msg}", "alternative": "B=1\nA=${B:+r}", "export": "export A=1", "export-only": "export A",
    "comment": "# c\nA=1 # inline", "comment-tight": "A=1#x", "comment-quoted": 'A="1 # x" # y', "empty": "A=", "none": "A",
    "empty-quoted": 'A=""', "colon": "A: 1", "colon-tight": "A:1", "multiline": 'A="a\nb"\nC=1', "multiline-single": "A='a\nb'",
    "escape": 'A="a\\nb\\tc\\\\d\\"e"', "escape-single": "A='a\\nb\\'c'", "escape-plain": "A=a\\nb", "escaped-dollar": 'A="\\$B"',
    "double-dollars": "A=$$B", "unclosed": 'A="x', "unclosed-single": "A='x", "bad-key": "A-B=1", "bad-key-space": "A B=1",
    "dot-key": "A.B=1", "digit-key": "1A=1", "no-key": "=1", "crlf": "A=1\r\nB=2\r\n", "bom": "\ufeffA=1", "tabs": "\tA\t=\t1",
    "equals": "A=b=c", "json": 'A={"a": 1}', "url": "A=http://x:1/y?z#w", "hash": "A=#x", "quote-inside": "A=a'b'c",
    "quoted-then": 'A="a"b', "twice": "A=1\nA=2", "self": "A=${A}x", "unicode": "A=é", "blank-lines": "\n\nA=1\n\n",
    "trailing-backslash": "A=a\\\nB=2", "spaces-value": "A=  a  b  ", "yaml": "a:\n  b", "command": "A=$(date)", "backtick": "A=`x`",
    "list": "A=[1,2]", "number-key": "123=4", "dash": "-", "bracket-key": "A[0]=1", "percent": "A=%B%",
    "cr-in-name": "A\rB=1\n", "feed-in-name": "A\fB=1\n", "export-alone": "export\nexport  A=1\nexport\nB=3\n", "after-quote": 'A="x"B=2\nC=$B\n',
}  # fmt: skip


def cases() -> Iterator[Case]:
    for place, text in PLACES.items():
        for form in table("interpolations"):
            quoted = text.replace("@", form.replace("'", "''"))
            yield Case(f"interpolate/{place}/{form}", {"work/compose.yaml": quoted + "\n"}, env=ENVIRONMENT)
    for kind, (text, forms) in TYPED.items():
        for form in forms:
            yield Case(
                f"interpolate-typed/{kind}/{form}", {"work/compose.yaml": text.replace("@", form)}, env=ENVIRONMENT
            )
            bare = text.replace("'@'", form if form.startswith("$") and "{" not in form else f'"{form}"')
            yield Case(f"interpolate-bare/{kind}/{form}", {"work/compose.yaml": bare}, env=ENVIRONMENT)
    yield from dotenv()


def dotenv() -> Iterator[Case]:
    shown = "services: {a: {image: x, environment: ['S=${A}', A, B, C]}}\n"
    filed = "services: {a: {image: x, env_file: ./e.env}}\n"
    raw = "services: {a: {image: x, env_file: [{path: ./e.env, format: raw}]}}\n"
    labelled = "services: {a: {image: x, label_file: ./e.env}}\n"
    # of several files, a file's own settings come before those of an earlier one
    for name, (first, second) in {
        "own": ("B=1\n", "B=2\nC=$B\n"),
        "earlier": ("B=1\n", "C=$B\nB=2\n"),
        "twice": ("B=1\n", "B=x$B\nB=y$B\n"),
    }.items():
        files = {"work/compose.yaml": shown, "work/1.env": first, "work/2.env": second}
        yield Case(f"env-files/{name}", files, ("--env-file", "1.env", "--env-file", "2.env"))
        including = "include: [{path: inc.yaml, env_file: [1.env, 2.env]}]\n"
        yield Case(f"env-files-included/{name}", {**files, "work/inc.yaml": shown, "work/compose.yaml": including})
    for name, body in DOTENV.items():
        yield Case(f"dotenv/{name}", {"work/compose.yaml": shown, "work/.env": body})
        yield Case(f"env-file/{name}", {"work/compose.yaml": filed, "work/e.env": body})
        yield Case(
            f"env-file-os/{name}", {"work/compose.yaml": filed, "work/e.env": body}, env={"B": "os", "A": "os-a"}
        )
        yield Case(f"env-file-raw/{name}", {"work/compose.yaml": raw, "work/e.env": body})
        yield Case(f"label-file/{name}", {"work/compose.yaml": labelled, "work/e.env": body})
