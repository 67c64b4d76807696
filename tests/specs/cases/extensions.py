# ruff: noqa: E501 (a case a line: tables read across)
"""Keys that begin with `x-`, in every mapping whose keys are the user's own."""

from __future__ import annotations

from collections.abc import Iterator

from tests.specs.cases.case import Case, one_file

IN_SERVICE = (
    "environment: {x-a: 1, B: c}", "environment: {x-a: , x-b: true, x-c: 1.50, x-d: a b}", "environment: [x-a=1]",
    "labels: {x-a: '1', b: c}", "labels: {x-a: 1e30, x-b: .inf, x-c: '', x-d: 'é $$'}", "annotations: {x-a: b}",
    "storage_opt: {x-a: 1, size: 1G}", "sysctls: {x-a: 1, b: 2}", "build: {context: ., args: {x-a: 1, C: d}}",
    "build: {context: ., args: {KEY: , x-a: }}", "build: {context: ., labels: {x-a: 1}}", "build: {context: ., args: [x-a=1]}",
    "build: {context: ., additional_contexts: {x-a: ./a, C: ./d}}", "build: {context: ., additional_contexts: [x-a=./a]}",
    "build: {context: ., ulimits: {x-u: 5}}", "build: {context: ., extra_hosts: {x-h: 1.2.3.4}}", "extra_hosts: {x-h: 1.2.3.4}",
    "extra_hosts: ['x-h:1.2.3.4']", "ulimits: {x-u: 5, nofile: 6}", "logging: {driver: j, options: {x-a: , b: c}}",
    "deploy: {labels: {x-a: 1}}", "networks: {default: {driver_opts: {x-a: 1}}}", "networks: {x-n: , default: }",
    "networks: [x-n]", "networks: {default: {x-a: 1}}", "post_start: [{command: a, environment: {x-a: b, C: d}}]",
    "provider: {type: t, options: {x-a: [b, 1, true], c: d}}", "gpus: [{driver: d, options: {x-a: b}}]",
    "depends_on: {x-d: {condition: service_started, x-q: 1}}", "models: {x-m: }", "models: [x-m]", "models: {x-m: {endpoint_var: A}}",
    "volumes: [{type: volume, source: x-v, target: /t, volume: {labels: {x-a: 1}}}]", "secrets: [x-s]", "configs: [x-c]",
    "deploy: {resources: {reservations: {devices: [{capabilities: [gpu], options: {x-a: b}}]}}}",
    "develop: {watch: [{path: ., action: sync+exec, target: /t, exec: {command: a, environment: {x-a: 1}}}]}",
    "healthcheck: {test: x, x-a: 1}",
)  # fmt: skip
AT_TOP = (
    "networks: {default: {driver_opts: {x-a: 1, b: c}}}", "networks: {default: {labels: {x-a: 1}}}",
    "networks: {default: {ipam: {options: {x-a: b}, config: [{subnet: 10.0.0.0/8, aux_addresses: {x-h: 10.0.0.1}}]}}}",
    "volumes: {vv: {driver_opts: {x-a: 1}, labels: {x-l: 1}}}", "secrets: {s: {file: ./s, labels: {x-a: 1}}}",
    "secrets: {s: {file: ./s, driver_opts: {x-a: b}}}", "configs: {c: {file: ./s, labels: {x-a: 1}}}", "x-a: {x-b: 1, c: {x-d: [2]}}",
)  # fmt: skip
DEFINED = "networks: {x-n: }\nmodels: {x-m: {model: m}}\nvolumes: {x-v: }\nsecrets: {x-s: {file: ./s}}\nconfigs: {x-c: {file: ./s}}\n"


def cases() -> Iterator[Case]:
    for body in IN_SERVICE:
        yield one_file(
            f"extension/{body}", f"services:\n  a:\n    image: x\n    {body}\n  x-d: {{image: y}}\n{DEFINED}"
        )
    for body in AT_TOP:
        key = body.partition(":")[0]
        uses = {"volumes": "volumes: ['vv:/y']", "secrets": "secrets: [s]", "configs": "configs: [c]"}.get(key, "")
        yield one_file(f"extension-top/{body}", f"services:\n  a:\n    image: x\n    {uses}\n{body}\n")
