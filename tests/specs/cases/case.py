"""One case: files, flags and environment for a `config` run; and the frame that a snippet is put into."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Case:
    """`files` are written below an empty folder; `place` instead names a folder that stands already."""

    id: str
    files: Mapping[str, str | bytes] = field(default_factory=dict)
    argv: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str = "work"
    place: Path | None = None


def one_file(id: str, text: str, **more: str | bytes) -> Case:
    """A case of one compose.yaml (and further files, `/` and `.` in their names through a dict where needed)."""
    return Case(id, {"work/compose.yaml": text, **{f"work/{name}": body for name, body in more.items()}})


# Everything that a snippet may refer to: two more services, networks, volumes, a secret, a config, a model, files.
AROUND = """
  db: {image: postgres}
  cache: {image: redis}
networks: {front: , back: {name: real-back}}
volumes: {data: , logs: {driver: local}}
secrets: {token: {file: ./token.txt}, key: {environment: KEY}}
configs: {app: {file: ./app.conf}, inline: {content: "a=$${B}"}}
models: {llm: {model: ai/smollm2}}
"""
FILES: Mapping[str, str] = {
    "work/a.env": "A=1\nB=two words\n# comment\nC='$A'\nD=\"$A-${B}\"\nexport E=5\nF=\n",
    "work/b.env": "A=from-b\nG=${A}\n",
    "work/labels.txt": "L1=v1\nL2=v2\n",
    "work/token.txt": "secret\n",
    "work/app.conf": "x=1\n",
    "work/app/Dockerfile": "FROM scratch\n",
}


def service(body: str, image: bool = True) -> str:
    """A whole file around the body of one service; `body` lines stand at any indentation of their own."""
    lines = ["services:", "  web:"]
    if image and not any(line.startswith(("image:", "build:", "extends:", "provider:")) for line in body.splitlines()):
        lines.append("    image: app")
    lines += [f"    {line}" for line in body.splitlines()]
    return "\n".join(lines) + AROUND


def around(id: str, text: str, *, files: Mapping[str, str | bytes] | None = None, **settings: object) -> Case:
    """A case whose compose.yaml stands among the files that snippets name."""
    return Case(id, {**FILES, "work/compose.yaml": text, **(files or {})}, **settings)  # type: ignore[arg-type]


def table(name: str) -> list[str]:
    """The lines of a table; its first line says what it is."""
    lines = (Path(__file__).parent / "tables" / f"{name}.txt").read_text(encoding="utf-8").split("\n")
    return [line for line in lines[1:] if line]
