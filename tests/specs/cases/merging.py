# ruff: noqa: E501 (a case a line: tables read across)
"""Two files for every key: each form over each other form, null, empty, `!reset` and `!override`; `---` documents too."""

from __future__ import annotations

from collections.abc import Iterator

from tests.specs.cases.case import Case, around, service

# key → forms whose every ordered pair is a case; the tags are tried on the last.
VARIANTS: dict[str, tuple[str, ...]] = {
    "annotations": ("{a: b, c: d}", "[a=x, e=f]"),
    "attach": ("true", "false"),
    "blkio_config": (
        "{weight: 5, weight_device: [{path: /a, weight: 1}]}",
        "{weight: 6, weight_device: [{path: /b, weight: 2}]}",
    ),
    "build": (
        ".",
        "{context: ./app, args: {A: 1, B: 2}}",
        "{args: [A=3, C], target: t}",
        "{dockerfile_inline: FROM x}",
    ),
    "cap_add": ("[A, B]", "[B, C]", "[]"),
    "cap_drop": ("[ALL]", "[X]"),
    "cgroup": ("host", "private"),
    "cgroup_parent": ("a", "b"),
    "command": ("a b", "[c, d]", '""'),
    "configs": ("[app]", "[inline]", "[{source: app, target: /x}]"),
    "container_name": ("aa", "bb"),
    "cpu_count": ("1", '"2"'),
    "cpu_shares": ("1", "2"),
    "cpus": ("1", '"1.5"'),
    "cpuset": ('"0"', '"1"'),
    "credential_spec": ("{file: a}", "{registry: b}"),
    "depends_on": (
        "[db]",
        "[cache]",
        "{db: {condition: service_healthy}}",
        "{cache: {condition: service_started, restart: true}}",
    ),
    "deploy": (
        "{replicas: 1, labels: [a=b]}",
        "{replicas: 2, labels: {c: d}}",
        "{resources: {limits: {cpus: '1', memory: 1g}}}",
        "{resources: {limits: {memory: 2g}, reservations: {devices: [{capabilities: [gpu], count: 1}]}}}",
        "{resources: {reservations: {devices: [{capabilities: [gpu], driver: x}]}}, placement: {constraints: [a]}}",
        "{placement: {constraints: [b], preferences: [{spread: x}]}, update_config: {delay: 1s}}",
    ),
    "develop": (
        "{watch: [{path: ./a, action: rebuild}]}",
        "{watch: [{path: ./a, action: sync, target: /x}, {path: ./b, action: restart}]}",
    ),
    "device_cgroup_rules": ("[a]", "[b, a]"),
    "devices": ("['/dev/a:/dev/x']", "['/dev/b:/dev/x:r', '/dev/c']", "[{source: /dev/z, target: /dev/x}]"),
    "dns": ("1.1.1.1", "[1.1.1.1, 2.2.2.2]", "[3.3.3.3]"),
    "dns_opt": ("[a]", "[b]"),
    "dns_search": ("a.com", "[b.com, a.com]"),
    "domainname": ("a", "b"),
    "entrypoint": ("a b", "[c, d]"),
    "env_file": (
        "./a.env",
        "[./b.env]",
        "[{path: ./missing.env, required: false}]",
        "[{path: ./a.env, required: false}]",
    ),
    "environment": ("{A: 1, B: 2}", "[A=3, C=4]", "{B: null}", "[KEY]", '{A: ""}'),
    "expose": ("[80]", "['81', '80']"),
    "external_links": ("[a]", "[b]"),
    "extra_hosts": ("['a=1.1.1.1', 'b=2.2.2.2']", "{a: 3.3.3.3}", "{b: [4.4.4.4, 5.5.5.5]}"),
    "gpus": ("all", "[{driver: x, count: 1}]"),
    "group_add": ("[a]", "[b, 1]"),
    "healthcheck": ("{test: a, interval: 1s}", "{test: [CMD, b], retries: 3}", "{disable: true}", "{timeout: 2s}"),
    "hostname": ("a", "b"),
    "image": ("a:1", "b:2"),
    "init": ("true", "false"),
    "ipc": ("host", "service:db"),
    "label_file": ("./labels.txt", "[./labels.txt]"),
    "labels": ("{a: b, c: d}", "[a=x, e=f]", "{a: null}"),
    "links": ("[db]", "['db:x', cache]"),
    "logging": (
        "{driver: json-file, options: {a: 1, b: 2}}",
        "{driver: json-file, options: {b: 3, c: 4}}",
        "{driver: syslog, options: {d: 5}}",
        "{options: {e: 6}}",
        "{driver: syslog}",
    ),
    "mac_address": ("'02:42:ac:11:65:43'", "'02:42:ac:11:65:44'"),
    "mem_limit": ("1g", "2048"),
    "mem_swappiness": ("1", "2"),
    "models": ("[llm]", "{llm: {endpoint_var: U}}", "{llm: {model_var: M}}"),
    "network_mode": ("host", "service:db", "none"),
    "networks": ("[front]", "[back]", "{front: {aliases: [a]}}", "{front: {aliases: [b], priority: 5}}", "{back: }"),
    "oom_score_adj": ("1", "2"),
    "pid": ("host", "service:db"),
    "pids_limit": ("1", "2"),
    "platform": ("linux/amd64", "linux/arm64"),
    "ports": (
        "['80:80']",
        "['81:80', '80:80']",
        "[{target: 80, published: '80'}]",
        "[{target: 80, published: '80', mode: host}]",
        "['80:80/udp']",
        "['127.0.0.1:80:80']",
        "['8000-8002:80-82', '9000']",
        "[{target: 80, published: '80', name: x}]",
    ),
    "post_start": ("[{command: a}]", "[{command: b}]"),
    "pre_stop": ("[{command: a}]", "[{command: b}]"),
    "privileged": ("true", "false"),
    "profiles": ("[a]", "[b]", "[]"),
    "pull_policy": ("always", "never"),
    "read_only": ("true", "false"),
    "restart": ("always", '"no"'),
    "runtime": ("a", "b"),
    "scale": ("1", "2"),
    "secrets": ("[token]", "[key]", "[{source: token, target: x, mode: 0400}]", "[{source: token, target: y}]"),
    "security_opt": ("[a]", "[c]", "[b, a]"),
    "shm_size": ("64m", "1g"),
    "stop_grace_period": ("1s", "2m"),
    "stop_signal": ("A", "B"),
    "storage_opt": ("{size: 1g}", "{size: 2g, a: b}"),
    "sysctls": ("{a: 1, b: 2}", "[a=3, c=4]"),
    "tmpfs": ("/a", "[/a, /b]", "[/c]"),
    "tty": ("true", "false"),
    "ulimits": ("{nofile: 5, nproc: 6}", "{nofile: {soft: 1, hard: 2}}", "{nofile: {soft: 3, hard: 4}}"),
    "user": ("a", "b"),
    "userns_mode": ("host", '""'),
    "volumes": (
        "['data:/x']",
        "['logs:/x', '/y']",
        "['./a:/x:ro']",
        "[{type: bind, source: ./b, target: /x, bind: {propagation: shared}}]",
        "[{type: tmpfs, target: /x, tmpfs: {size: 5}}]",
        "['./a:/x/', 'data:/z']",
    ),
    "volumes_from": ("[db]", "[cache, 'db:ro']"),
    "working_dir": ("/a", "/b"),
    "x-mine": ("{a: [1], b: 2}", "{a: [3], c: 4}", "text"),
}
# The parts beside services.
TOP_VARIANTS: dict[str, tuple[str, ...]] = {
    "name": ("aa", "bb"),
    "networks": (
        "{n: {driver: a, labels: [x=1]}}",
        "{n: {driver: b, labels: {y: 2}}}",
        "{n: {external: true, name: q}}",
        "{n: }",
        "{n: {ipam: {config: [{subnet: 10.1.0.0/16}]}}}",
        "{n: {ipam: {config: [{subnet: 10.1.0.0/16, gateway: 10.1.0.1}, {subnet: 10.2.0.0/16}]}}}",
        "{n: {driver_opts: {a: b}}}",
    ),
    "volumes": (
        "{v: {driver: a, driver_opts: {x: 1}}}",
        "{v: {driver_opts: {x: 2, y: 3}}}",
        "{v: {external: true}}",
        "{v: {labels: [a=b]}}",
    ),
    "secrets": ("{s: {file: ./token.txt}}", "{s: {environment: KEY}}", "{s: {external: true}}", "{s: {name: q}}"),
    "configs": ("{c: {file: ./app.conf}}", "{c: {content: hello}}", "{c: {environment: KEY}}", "{c: {name: q}}"),
    "models": ("{m: {model: a, runtime_flags: [x]}}", "{m: {model: b, runtime_flags: [y], context_size: 5}}"),
    "x-top": ("{a: [1], b: 2}", "{a: [3], c: 4}", "text"),
    "version": ("'3'", "'2'"),
}
TAGS = ("!reset null", "!reset []", "!override {}", "null", "")
INNER_TAGS = (
    ("environment: {A: 1, B: 2}", "environment: {A: !reset null}"),
    ("environment: {A: 1, B: 2}", "environment: !override {C: 3}"),
    ("ports: ['80:80', '81:81']", "ports: !override ['82:82']"),
    ("ports: ['80:80']", "ports: !reset []\nexpose: [90]"),
    ("command: a", "command: !reset"),
    ("tty: true\ncpu_rt_runtime: 5", "tty: !reset 'null'\ncpu_rt_runtime: !reset 'null'"),
    ("healthcheck: {retries: 3, test: a}", "healthcheck: {retries: !reset 'x', test: '!reset ${NO:?never asked for}'}"),
    ("build: {context: ., ulimits: {nofile: '5'}}", "build: !reset null"),
    ("healthcheck: {test: a}", "healthcheck: !override {test: !reset [CMD, x], retries: !reset '3'}"),
    ("deploy: {labels: {a: b}}", "deploy: !override {labels: !reset {c: d}, resources: {limits: !reset {cpus: '1'}}}"),
    ("ulimits: {nofile: 5.0}", "ulimits: !override {nofile: 5}"),
    ("build: {context: ., args: {A: 1}, target: t}", "build: {args: !reset {}, target: !reset ''}"),
    ("deploy: {resources: {limits: {cpus: 1, memory: 1g}}}", "deploy: {resources: {limits: !override {memory: 2g}}}"),
    ("deploy: {resources: {limits: {cpus: 1, memory: 1g}}}", "deploy: {resources: {limits: {cpus: !reset null}}}"),
    ("volumes: ['data:/x', 'logs:/y']", "volumes: !override ['logs:/x']"),
    ("networks: {front: {aliases: [a]}, back: }", "networks: {front: {aliases: !override [b]}}"),
    ("networks: {front: , back: }", "networks: {front: !reset null}"),
    ("networks: [front, back]", "networks: !override [back]"),
    ("depends_on: [db, cache]", "depends_on: !override [cache]"),
    (
        "depends_on: {db: {condition: service_started}, cache: {condition: service_started}}",
        "depends_on: {db: !reset null}",
    ),
    ("healthcheck: {test: a, interval: 1s}", "healthcheck: !reset {}"),
    ("healthcheck: {test: a, interval: 1s}", "healthcheck: {interval: !reset null}"),
    ("labels: [a=b, c=d]", "labels: !override {e: f}"),
    ("env_file: ./a.env", "env_file: !reset null"),
    ("env_file: ./a.env", "env_file: !override ./b.env"),
    ("restart: always", "restart: !reset null\nimage: other"),
    ("logging: {driver: a, options: {x: 1}}", "logging: {options: !override {y: 2}}"),
    ("dns: [1.1.1.1]", "dns: !override 2.2.2.2"),
    ("ulimits: {nofile: 5}", "ulimits: !override {nproc: 6}"),
    ("extra_hosts: ['a=1.1.1.1']", "extra_hosts: !override {b: 2.2.2.2}"),
    ("secrets: [token, key]", "secrets: !override [key]"),
    ("configs: [app]", "configs: !reset []"),
    ("tmpfs: /a", "tmpfs: !override [/b]"),
    ("profiles: [a]", "profiles: !reset []"),
    ("image: a", "image: !reset ''\nbuild: ."),
    ("x-mine: {a: 1}", "x-mine: !override {b: 2}"),
    ("sysctls: {a: 1}", "sysctls: !unknown {b: 2}"),
    ("ports: ['80:80']", "ports: [!reset '80:80']"),
    ("command: [a, b]", "command: [!override c]"),
)
USES = {
    "networks": "networks: [n]",
    "volumes": "volumes: ['v:/v']",
    "secrets": "secrets: [s]",
    "configs": "configs: [c]",
    "models": "models: [m]",
}


def cases() -> Iterator[Case]:
    for key, forms in VARIANTS.items():
        for base in forms:
            for other in (*forms, *TAGS):
                yield two(f"merge/{key}/{base}/{other}", f"{key}: {base}", f"{key}: {other}", key != "build")
        yield two(f"merge/{key}/new/{forms[0]}", "hostname: h", f"{key}: {forms[0]}", key != "build")
    for index, (base, other) in enumerate(INNER_TAGS):
        yield two(f"merge/tag/{index}/{other}", base, other, not base.startswith(("image", "build")))
    yield from top_cases()
    yield from many()


def two(id: str, base: str, other: str, image: bool) -> Case:
    return around(id, service(base, image), files={"work/compose.override.yaml": override(other)})


def override(body: str) -> str:
    return "services:\n  web:\n" + "".join(f"    {line}\n" for line in body.splitlines())


def top_cases() -> Iterator[Case]:
    for key, forms in TOP_VARIANTS.items():
        use = USES.get(key, "hostname: h")
        for base in forms:
            for other in (*forms, *TAGS):
                text = f"services: {{web: {{image: app, {use}}}}}\n{key}: {base}\n"
                files = {"work/compose.override.yaml": f"{key}: {other}\n"}
                yield around(f"merge-top/{key}/{base}/{other}", text, files=files)


def many() -> Iterator[Case]:
    """Three files, several documents, services that appear or go."""
    base = "services: {a: {image: x, environment: [A=1], ports: ['80:80']}}\n"
    more = {
        "new-service": ("services: {b: {image: y}}\n",),
        "drop-service": ("services: {a: !reset null, b: {image: y}}\n",),
        "replace-service": ("services: {a: !override {image: z}}\n",),
        "replace-services": ("services: !override {b: {image: z}}\n",),
        "three": ("services: {a: {environment: [B=2]}}\n", "services: {a: {environment: {A: 3}, ports: ['81:80']}}\n"),
        "reset-then-set": ("services: {a: {ports: !reset []}}\n", "services: {a: {ports: ['82:80']}}\n"),
        "empty": ("",),
        "null": ("services:\n",),
        "bad-alone-good-merged": ("services: {a: {deploy: {}}}\n",),
        "bad": ("services: {a: {ports: 80}}\n",),
        "unknown-key": ("services: {a: {prots: [80]}}\n",),
        "type-clash": ("services: {a: [x]}\n",),
        "service-to-null": ("services: {a: }\n",),
    }
    for name, others in more.items():
        files = {"work/1.yaml": base, **{f"work/{i}.yaml": text for i, text in enumerate(others, 2)}}
        argv = tuple(word for i in range(1, len(others) + 2) for word in ("-f", f"{i}.yaml"))
        yield Case(f"merge-files/{name}", files, argv)
        yield Case(f"merge-documents/{name}", {"work/compose.yaml": "---\n".join((base, *others))})
