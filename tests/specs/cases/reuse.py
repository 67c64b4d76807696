# ruff: noqa: E501 (a case a line: tables read across)
"""`extends` with each key, over files and in chains; `include` short and long, with its own environment, with conflicts."""

from __future__ import annotations

from collections.abc import Iterator

from tests.specs.cases.case import AROUND, Case, around
from tests.specs.cases.merging import VARIANTS

EXTENDS = {
    "same-file": "services:\n  web: {extends: {service: base}, environment: [B=2]}\n  base: {image: b, environment: {A: 1}}",
    "short": "services:\n  web: {extends: base}\n  base: {image: b, command: x}",
    "chain": "services:\n  web: {extends: mid, labels: [w=1]}\n  mid: {extends: base, labels: [m=1]}\n  base: {image: b, labels: [b=1]}",
    "cycle": "services:\n  web: {extends: base}\n  base: {extends: web}",
    "self": "services:\n  web: {image: x, extends: web}",
    "missing-service": "services:\n  web: {extends: {service: nope}}",
    "missing-file": "services:\n  web: {extends: {file: nope.yaml, service: x}}",
    "missing-in-file": "services:\n  web: {extends: {file: other.yaml, service: nope}}",
    "other-file": "services:\n  web: {extends: {file: other.yaml, service: o}}",
    "other-folder": "services:\n  web: {extends: {file: sub/compose.yaml, service: s}}",
    "other-chain": "services:\n  web: {extends: {file: other.yaml, service: chained}}",
    "other-cycle": "services:\n  web: {extends: {file: other.yaml, service: back}}",
    "other-undefined-net": "services:\n  web: {extends: {file: other.yaml, service: nets}}",
    "other-undefined-volume": "services:\n  web: {extends: {file: other.yaml, service: vols}}",
    "other-depends": "services:\n  web: {extends: {file: other.yaml, service: deps}}",
    "other-depends-defined": "services:\n  web: {extends: {file: other.yaml, service: deps}}\n  o: {image: mine}",
    "other-links": "services:\n  web: {extends: {file: other.yaml, service: links}}\n  o: {image: mine}",
    "other-mode": "services:\n  web: {extends: {file: other.yaml, service: mode}}",
    "other-build": "services:\n  web: {extends: {file: sub/compose.yaml, service: built}}",
    "other-env-file": "services:\n  web: {extends: {file: sub/compose.yaml, service: env}}",
    "other-bind": "services:\n  web: {extends: {file: sub/compose.yaml, service: bind}}",
    "other-relative-chain": "services:\n  web: {extends: {file: sub/compose.yaml, service: deep}}",
    "null-over": "services:\n  web: {extends: base, command: null, environment: null}\n  base: {image: b, command: x, environment: [A=1]}",
    "reset-over": "services:\n  web: {extends: base, ports: !reset [], environment: !override {Z: 1}}\n  base: {image: b, ports: [80], environment: [A=1]}",
    "interpolated": "services:\n  web: {extends: {service: '${S:-base}'}}\n  base: {image: b}",
    "with-profile": "services:\n  web: {extends: base}\n  base: {image: b, profiles: [p]}",
    "container-name": "services:\n  web: {extends: base}\n  base: {image: b, container_name: cc}",
    "extends-null": "services:\n  web: {image: b, extends: }",
    "bad-base": "services:\n  web: {extends: {file: bad.yaml, service: b}}",
    "dotdot": "services:\n  web: {extends: {file: ../outside.yaml, service: x}}",
    "directory": "services:\n  web: {extends: {file: sub, service: x}}",
    "develop": "services:\n  web: {extends: {file: sub/compose.yaml, service: watched}}",
}
REUSED = {
    "work/other.yaml": """
services:
  o: {image: other, environment: [O=1], ports: ["90:90"]}
  chained: {extends: o, environment: [C=1]}
  back: {extends: {file: compose.yaml, service: web}}
  nets: {image: n, networks: [elsewhere]}
  vols: {image: n, volumes: ["elsewhere:/x"]}
  deps: {image: n, depends_on: [o]}
  links: {image: n, links: [o]}
  mode: {image: n, network_mode: "service:o"}
networks: {elsewhere: }
volumes: {elsewhere: }
""",
    "work/sub/compose.yaml": """
services:
  s: {image: sub, volumes: ["./d:/d"]}
  built: {build: {context: ., additional_contexts: {x: ./y}}}
  env: {image: e, env_file: ./s.env, label_file: ./l.txt}
  bind: {image: e, volumes: [{type: bind, source: ../up, target: /u}], secrets: [token]}
  deep: {extends: {file: deeper/compose.yaml, service: d}}
  watched: {image: w, build: ., develop: {watch: [{path: ./src, action: sync, target: /t}]}}
""",
    "work/sub/s.env": "S=from-sub\n",
    "work/sub/l.txt": "L=sub\n",
    "work/sub/deeper/compose.yaml": "services: {d: {image: deep, volumes: ['./x:/x'], build: ../b}}\n",
    "work/bad.yaml": "services: {b: {image: x, prots: [80]}}\n",
    "outside.yaml": "services: {x: {image: out, volumes: ['./o:/o']}}\n",
}
INCLUDE = {
    "short": "include: [inc.yaml]\nservices: {web: {image: x, depends_on: [inc]}}",
    "string": "include: inc.yaml\nservices: {web: {image: x}}",
    "long": "include: [{path: inc.yaml}]\nservices: {web: {image: x}}",
    "long-list": "include: [{path: [inc.yaml, inc-over.yaml]}]\nservices: {web: {image: x}}",
    "sub": "include: [sub/compose.yaml]\nservices: {web: {image: x}}",
    "sub-directory": "include: [{path: sub/compose.yaml, project_directory: .}]\nservices: {web: {image: x}}",
    "sub-env-file": "include: [{path: sub/compose.yaml, env_file: inc.env}]\nservices: {web: {image: x}}",
    "sub-env-files": "include: [{path: sub/compose.yaml, env_file: [inc.env, inc2.env]}]\nservices: {web: {image: x}}",
    "sub-env-missing": "include: [{path: sub/compose.yaml, env_file: nope.env}]\nservices: {web: {image: x}}",
    "conflict": "include: [inc.yaml]\nservices: {inc: {image: mine}}",
    "conflict-same": "include: [inc.yaml]\nservices: {inc: {image: inc}}",
    "conflict-network": "include: [nets.yaml]\nservices: {web: {image: x, networks: [n]}}\nnetworks: {n: {driver: other}}",
    "same-network": "include: [nets.yaml]\nservices: {web: {image: x, networks: [n]}}\nnetworks: {n: {driver: bridge}}",
    "two": "include: [inc.yaml, nets.yaml]\nservices: {web: {image: x, networks: [n]}}",
    "twice": "include: [inc.yaml, inc.yaml]\nservices: {web: {image: x}}",
    "two-conflict": "include: [inc.yaml, inc-clash.yaml]\nservices: {web: {image: x}}",
    "nested": "include: [nest.yaml]\nservices: {web: {image: x}}",
    "cycle": "include: [cycle.yaml]\nservices: {web: {image: x}}",
    "self": "include: [compose.yaml]\nservices: {web: {image: x}}",
    "missing": "include: [nope.yaml]\nservices: {web: {image: x}}",
    "empty": "include: []\nservices: {web: {image: x}}",
    "null": "include:\nservices: {web: {image: x}}",
    "only": "include: [inc.yaml]",
    "bad-inside": "include: [bad.yaml]\nservices: {web: {image: x}}",
    "invalid-reference-inside": "include: [dangling.yaml]\nservices: {web: {image: x}}",
    "outer-reference": "include: [dangling.yaml]\nservices: {web: {image: x}, outer: {image: o}}",
    "interpolated": "include: ['${INC:-inc.yaml}']\nservices: {web: {image: x}}",
    "named-inside": "include: [named.yaml]\nservices: {web: {image: x}}",
    "named-both": "name: mine\ninclude: [named.yaml]\nservices: {web: {image: x}}",
    "volume": "include: [vols.yaml]\nservices: {web: {image: x, volumes: ['v1:/v']}}",
    "secrets": "include: [secrets.yaml]\nservices: {web: {image: x, secrets: [st]}}",
    "extends-included": "include: [inc.yaml]\nservices: {web: {extends: inc}}",
    "unknown-long-key": "include: [{path: inc.yaml, foo: bar}]\nservices: {web: {image: x}}",
    "dotdot": "include: [../outside.yaml]\nservices: {web: {image: x}}",
    "default-network": "include: [defnet.yaml]\nservices: {web: {image: x}}",
    "directory": "include: [sub]\nservices: {web: {image: x}}",
    "profiles": "include: [prof.yaml]\nservices: {web: {image: x}}",
    "depends-on-profiled": "include: [prof.yaml]\nservices: {web: {image: x, depends_on: [quiet]}}",
}
INCLUDED = {
    "work/inc.yaml": "services: {inc: {image: inc, environment: ['V=${V:-unset}']}}\n",
    "work/inc-over.yaml": "services: {inc: {environment: [O=1]}}\n",
    "work/inc-clash.yaml": "services: {inc: {image: clash}}\n",
    "work/inc.env": "V=from-inc-env\n",
    "work/inc2.env": "V=from-inc2\nW=w2\n",
    "work/.env": "W=outer-w\n",
    "work/nets.yaml": "services: {net: {image: n, networks: [n]}}\nnetworks: {n: {driver: bridge}}\n",
    "work/vols.yaml": "services: {vol: {image: n, volumes: ['v1:/a', './r:/r']}}\nvolumes: {v1: {driver: local}}\n",
    "work/secrets.yaml": "services: {sec: {image: n, secrets: [st]}}\nsecrets: {st: {file: ./sub/st.txt}}\n",
    "work/nest.yaml": "include: [sub/compose.yaml]\nservices: {nest: {image: n}}\n",
    "work/cycle.yaml": "include: [cycle2.yaml]\nservices: {c1: {image: n}}\n",
    "work/cycle2.yaml": "include: [cycle.yaml]\nservices: {c2: {image: n}}\n",
    "work/bad.yaml": "services: {b: {image: x, prots: [80]}}\n",
    "work/dangling.yaml": "services: {d: {image: x, depends_on: [outer]}}\n",
    "work/named.yaml": "name: inner\nservices: {n: {image: 'x:${COMPOSE_PROJECT_NAME}'}}\n",
    "work/defnet.yaml": "services: {d: {image: x}}\nnetworks: {default: {driver: overlay}}\n",
    "work/prof.yaml": "services: {quiet: {image: x, profiles: [p]}, loud: {image: y}}\n",
    "work/sub/compose.yaml": "services: {sub: {image: 's:${V:-none}', build: ./b, volumes: ['./d:/d'], env_file: ./s.env, environment: ['W=${W}', V]}}\n",
    "work/sub/.env": "V=from-sub-dotenv\nW=from-sub-w\n",
    "work/sub/s.env": "S=$V\n",
    "work/s.env": "S=outer\n",
    "outside.yaml": "services: {x: {image: out, volumes: ['./o:/o']}}\n",
}


def cases() -> Iterator[Case]:
    for name, text in EXTENDS.items():
        yield around(f"extends/{name}", text + AROUND.replace("networks:", "networks:"), files=REUSED)
    for key, forms in VARIANTS.items():
        for base, other in ((forms[0], forms[-1]), (forms[-1], forms[0])):
            yield from extended(key, base, other)
    for name, text in INCLUDE.items():
        yield Case(f"include/{name}", {**INCLUDED, "work/compose.yaml": text + "\n"})
        yield Case(f"include-env/{name}", {**INCLUDED, "work/compose.yaml": text + "\n"}, env={"V": "os", "W": "os-w"})
    yield from overridden()


def extended(key: str, base: str, other: str) -> Iterator[Case]:
    image = "" if key == "image" else "image: app, "
    derived = f"services:\n  web: {{extends: base, {key}: {other}}}\n  base: {{{image}{key}: {base}}}"
    yield around(f"extends-key/{key}/{base}/{other}", derived + AROUND)
    plain = f"services:\n  web: {{extends: {{file: lib/base.yaml, service: base}}, {key}: {other}}}"
    files = {"work/lib/base.yaml": f"services: {{base: {{{image}{key}: {base}}}}}\n", "work/lib/a.env": "A=lib\n"}
    yield around(f"extends-file/{key}/{base}/{other}", plain + AROUND, files=files)
    bare = "services:\n  web: {extends: {file: lib/base.yaml, service: base}}"
    yield around(f"extends-bare/{key}/{base}", bare + AROUND, files=files)


def overridden() -> Iterator[Case]:
    """A second -f over included and extended services."""
    for name, text in {"include": INCLUDE["short"], "sub": INCLUDE["sub"], "nested": INCLUDE["nested"]}.items():
        for over in ("inc: {image: over}", "sub: {environment: [Z=1]}", "web: {command: x}", "nest: !reset null"):
            files = {**INCLUDED, "work/compose.yaml": text + "\n", "work/over.yaml": f"services: {{{over}}}\n"}
            yield Case(f"include-override/{name}/{over}", files, ("-f", "compose.yaml", "-f", "over.yaml"))
    for name in ("same-file", "chain", "other-file", "other-folder"):
        for over in (
            "web: {labels: [z=1]}",
            "base: {environment: [Z=1]}",
            "web: {extends: db}",
            "web: {extends: !reset null, image: q}",
        ):
            files = {**REUSED, "work/over.yaml": f"services: {{{over}}}\n"}
            yield around(
                f"extends-override/{name}/{over}",
                EXTENDS[name] + AROUND,
                files=files,
                argv=("-f", "compose.yaml", "-f", "over.yaml"),
            )
