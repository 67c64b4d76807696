# ruff: noqa: E501 (a case a line: tables read across)
"""YAML as go-yaml reads it: anchors, merge keys, documents, tags, block scalars, odd scalars, duplicates, encodings."""

from __future__ import annotations

from collections.abc import Iterator

from tests.specs.cases.case import Case, table

TEXTS: dict[str, str | bytes] = {
    "anchor": "x-a: &a {image: x, environment: [A=1]}\nservices: {a: *a, b: *a}\n",
    "anchor-scalar": "x-i: &i app\nservices: {a: {image: *i}}\n",
    "anchor-list": "x-p: &p ['80:80']\nservices: {a: {image: x, ports: *p}, b: {image: y, ports: *p}}\n",
    "merge-key": "x-a: &a {image: x, tty: true}\nservices:\n  a:\n    <<: *a\n    image: y\n",
    "merge-key-after": "x-a: &a {image: x, tty: true}\nservices:\n  a:\n    image: y\n    <<: *a\n",
    "merge-key-list": "x-a: &a {image: x}\nx-b: &b {image: y, tty: true}\nservices:\n  a:\n    <<: [*a, *b]\n",
    "merge-key-twice": "x-a: &a {image: x}\nx-b: &b {tty: true}\nservices:\n  a:\n    <<: *a\n    <<: *b\n",
    "merge-key-inline": "services:\n  a:\n    <<: {image: x}\n    tty: true\n",
    "merge-key-deep": "x-a: &a {environment: {A: 1, B: 2}}\nservices:\n  a:\n    <<: *a\n    image: x\n    environment: {C: 3}\n",
    "merge-key-inner": "x-e: &e {A: 1, B: 2}\nservices:\n  a:\n    image: x\n    environment:\n      <<: *e\n      B: 3\n",
    "merge-key-scalar": "services:\n  a:\n    <<: foo\n    image: x\n",
    "merge-key-null": "services:\n  a:\n    <<: null\n    image: x\n",
    "merge-key-list-scalar": "services:\n  a:\n    <<: [foo]\n    image: x\n",
    "merge-key-quoted": "x-a: &a {tty: true}\nservices:\n  a:\n    '<<': *a\n    image: x\n",
    "merge-key-sequence": "x-a: &a [1]\nservices:\n  a:\n    <<: *a\n    image: x\n",
    "merge-key-nested": "x-a: &a {image: x}\nx-b: &b\n  <<: *a\n  tty: true\nservices:\n  a:\n    <<: *b\n",
    "merge-key-in-list": "x-p: &p {target: 80}\nservices:\n  a:\n    image: x\n    ports:\n      - <<: *p\n        published: 90\n",
    "alias-undefined": "services: {a: *nope}\n",
    "alias-redefined": "x-a: &a {image: x}\nx-b: &a {image: y}\nservices: {a: *a}\n",
    "alias-recursive": "services: &s\n  a: {image: x, x-s: *s}\n",
    "alias-key": "x-k: &k image\nservices: {a: {*k : x}}\n",
    "anchor-on-null": "x-a: &a\nservices: {a: {image: x, command: *a}}\n",
    "documents": "services: {a: {image: x}}\n---\nservices: {a: {tty: true}}\n",
    "documents-start": "---\nservices: {a: {image: x}}\n",
    "documents-end": "services: {a: {image: x}}\n...\n",
    "documents-end-more": "services: {a: {image: x}}\n...\nservices: {b: {image: y}}\n",
    "documents-empty": "services: {a: {image: x}}\n---\n",
    "documents-two-empty": "---\n---\nservices: {a: {image: x}}\n",
    "documents-anchor-across": "x-a: &a {image: x}\n---\nservices: {a: *a}\n",
    "documents-name": "name: one\nservices: {a: {image: x}}\n---\nname: two\n",
    "documents-list": "services: {a: {image: x}}\n---\n- a\n",
    "directive": "%YAML 1.2\n---\nservices: {a: {image: x}}\n",
    "directive-1.1": "%YAML 1.1\n---\nservices: {a: {image: x}}\n",
    "directive-bad": "%YAML 3.0\n---\nservices: {a: {image: x}}\n",
    "directive-tag": "%TAG !e! tag:example.com,2000:\n---\nservices: {a: {image: x}}\n",
    "tag-str": "services: {a: {image: !!str 5, environment: {A: !!str 010}}}\n",
    "tag-int": "services: {a: {image: x, scale: !!int '2'}}\n",
    "tag-int-bad": "services: {a: {image: x, scale: !!int foo}}\n",
    "tag-float": "services: {a: {image: x, environment: {A: !!float 1}}}\n",
    "tag-bool": "services: {a: {image: x, tty: !!bool 'true'}}\n",
    "tag-null": "services: {a: {image: x, command: !!null ''}}\n",
    "tag-map": "services: {a: !!map {image: x}}\n",
    "tag-seq": "services: {a: {image: x, ports: !!seq ['80']}}\n",
    "tag-set": "services: {a: {image: x, labels: !!set {a, b}}}\n",
    "tag-binary": "services: {a: {image: x, environment: {A: !!binary aGVsbG8=}}}\n",
    "tag-binary-bad": "services: {a: {image: x, environment: {A: !!binary '***'}}}\n",
    "tag-timestamp": "services: {a: {image: x, environment: {A: !!timestamp 2024-01-01}}}\n",
    "tag-unknown": "services: {a: {image: !foo x}}\n",
    "tag-unknown-map": "services: {a: !foo {image: x}}\n",
    "tag-python": "services: {a: {image: !!python/object:os.system x}}\n",
    "tag-reset-alone": "services: {a: {image: x, ports: !reset ['80']}}\n",
    "tag-override-alone": "services: {a: {image: x, ports: !override ['80']}}\n",
    "tag-reset-required": "services: {a: !reset {image: x}, b: {image: y}}\n",
    "block-literal": "services:\n  a:\n    image: x\n    command: |\n      echo a\n      echo b\n",
    "block-folded": "services:\n  a:\n    image: x\n    command: >\n      echo a\n      b\n\n      c\n",
    "block-strip": "services:\n  a:\n    image: x\n    environment:\n      A: |-\n        one\n        two\n      B: >+\n        three\n\n      C: |2\n          four\n",
    "block-config": "services: {a: {image: x, configs: [c]}}\nconfigs:\n  c:\n    content: |\n      a=$KEY\n      b=$$c\n",
    "plain-multiline": "services:\n  a:\n    image: x\n    command: echo a\n      b\n      c\n",
    "double-escapes": 'services: {a: {image: x, environment: {A: "a\\tb\\n\\x41\\u00e9\\U0001F600\\\\\\"\\/\\e"}}}\n',
    "double-bad-escape": 'services: {a: {image: "\\q"}}\n',
    "single-escapes": "services: {a: {image: x, environment: {A: 'it''s \\n'}}}\n",
    "double-folded": 'services:\n  a:\n    image: x\n    environment:\n      A: "one\n        two\\\n        three\n\n        four"\n',
    "flow-multiline": "services: {\n  a: {\n    image: x,\n    ports: ['80',\n      '81'],\n  },\n}\n",
    "flow-trailing-comma": "services: {a: {image: x, ports: ['80',],},}\n",
    "flow-single-pair": "services: {a: {image: x, environment: [A: 1]}}\n",
    "flow-no-space": "services: {a: {image:x}}\n",
    "flow-json": '{"services":{"a":{"image":"x","ports":["80"],"tty":true}}}\n',
    "flow-json-no-space": '{"services":{"a":{"image":"x","scale":2,"command":null}}}\n',
    "flow-colon-in-plain": "services: {a: {image: x:1, command: [a:b, c]}}\n",
    "explicit-key": "? services\n: a: {image: x}\n",
    "explicit-complex": "services: {a: {image: x, labels: {? [a, b] : c}}}\n",
    "duplicate-top": "services: {a: {image: x}}\nservices: {b: {image: y}}\n",
    "duplicate-service": "services:\n  a: {image: x}\n  a: {image: y}\n",
    "duplicate-key": "services:\n  a:\n    image: x\n    image: y\n",
    "duplicate-env": "services:\n  a:\n    image: x\n    environment:\n      A: 1\n      A: 2\n",
    "duplicate-quoted": "services:\n  a:\n    image: x\n    'image': y\n",
    "duplicate-in-extension": "x-a:\n  b: 1\n  b: 2\nservices: {a: {image: x}}\n",
    "tab-indent": "services:\n\ta:\n\t\timage: x\n",
    "tab-after-colon": "services:\n  a:\n    image:\tx\n",
    "tab-blank-line": "services:\n  a:\n    image: x\n\t\n",
    "tab-in-flow": "services: {\ta: {image: x}\t}\n",
    "bad-indent": "services:\n  a:\n    image: x\n   tty: true\n",
    "no-colon": "services:\n  a\n    image: x\n",
    "colon-in-value": "services:\n  a:\n    image: x: y\n",
    "unclosed-flow": "services: {a: {image: x}\n",
    "unclosed-quote": "services: {a: {image: 'x}}\n",
    "unclosed-list": "services: {a: {image: x, ports: ['80'}}\n",
    "at-sign": "services: {a: {image: @x}}\n",
    "backtick": "services: {a: {image: `x`}}\n",
    "percent": "services: {a: {image: %x}}\n",
    "star": "services: {a: {image: x, command: * }}\n",
    "dash-list-map": "services:\n- a:\n    image: x\n",
    "bom": b"\xef\xbb\xbfservices: {a: {image: x}}\n",
    "utf16": "services: {a: {image: x}}\n".encode("utf-16"),
    "utf16-be": b"\xfe\xff" + "services: {a: {image: x}}\n".encode("utf-16-be"),
    "latin1": b"services: {a: {image: x, labels: {a: \xe9}}}\n",
    "nul": b"services: {a: {image: 'x\x00'}}\n",
    "control": b"services: {a: {image: 'x\x07'}}\n",
    "del": b"services: {a: {image: 'x\x7f'}}\n",
    "c1": "services: {a: {image: 'x\u0085y'}}\n",
    "ls": "services: {a: {image: 'x\u2028y'}}\n",
    "crlf": "services:\r\n  a:\r\n    image: x\r\n    command: |\r\n      a\r\n      b\r\n",
    "cr": "services:\r  a:\r    image: x\r",
    "emoji": "services: {a: {image: x, labels: {a: '😀', 'ключ': значение}}}\n",
    "no-newline": "services: {a: {image: x}}",
    "trailing-spaces": "services:   \n  a:   \n    image: x   \n",
    "comments": "# c\nservices: # c\n  a: # c\n    # c\n    image: x # c\n    command: a#b\n",
    "comment-no-space": "services: {a: {image: x#y}}\n",
    "long-key": f"services: {{a: {{image: x, labels: {{{'k' * 1100}: v}}}}}}\n",
    "long-plain-key": f"services:\n  a:\n    image: x\n    labels:\n      {'k' * 1100}: v\n",
    "numeric-keys": "services: {a: {image: x, labels: {1: a, 1.5: b, true: c, null: d, 0x10: e, 2024-01-01: f}}}\n",
    "null-key": "services: {a: {image: x, labels: {~: a}}}\n",
    "empty-key": "services: {a: {image: x, labels: {'': a}}}\n",
    "bool-key": "services: {a: {image: x, labels: {yes: a, on: b}}}\n",
    "x-key-number": "x-1: a\nservices: {a: {image: x}}\n",
    "indent-list-same": "services:\n  a:\n    image: x\n    ports:\n    - '80'\n    - '81'\n",
    "nested-list": "services:\n  a:\n    image: x\n    command:\n      - - a\n",
    "list-null-item": "services:\n  a:\n    image: x\n    command:\n      - a\n      -\n      - b\n",
    "deep-100": "x-a: " + "[" * 100 + "]" * 100 + "\nservices: {a: {image: x}}\n",
    "deep-500": "x-a: " + "[" * 500 + "]" * 500 + "\nservices: {a: {image: x}}\n",
    "aliases-many": "x-a: &a [1, 2, 3]\nx-b: [" + ", ".join(["*a"] * 200) + "]\nservices: {a: {image: x}}\n",
    "aliases-shared": "x-a: &a {environment: {A: 1}}\nservices: {a: {image: x, <<: *a}, b: {image: x, <<: *a, environment: {B: 1}}}\n",
}


def cases() -> Iterator[Case]:
    for name, text in TEXTS.items():
        yield Case(f"yaml/{name}", {"work/compose.yaml": text})
    for scalar in table("scalars"):
        yield Case(f"scalar/env/{scalar}", {"work/compose.yaml": ENV.replace("@", scalar)})
        yield Case(f"scalar/label/{scalar}", {"work/compose.yaml": LABEL.replace("@", scalar)})
        yield Case(f"scalar/command/{scalar}", {"work/compose.yaml": COMMAND.replace("@", scalar)})
        yield Case(f"scalar/image/{scalar}", {"work/compose.yaml": IMAGE.replace("@", scalar)})
        yield Case(f"scalar/extension/{scalar}", {"work/compose.yaml": EXTENSION.replace("@", scalar)})
        yield Case(f"scalar/key/{scalar}", {"work/compose.yaml": KEY.replace("@", scalar)})


ENV = "services:\n  a:\n    image: x\n    environment:\n      K: @\n"
LABEL = "services:\n  a:\n    image: x\n    labels:\n      K: @\n"
COMMAND = "services:\n  a:\n    image: x\n    command:\n      - @\n"
IMAGE = "services:\n  a:\n    image: @\n"
EXTENSION = "x-a: @\nx-b: {c: @}\nservices: {a: {image: x}}\n"
KEY = "services:\n  a:\n    image: x\n    labels:\n      @: v\n"
