"""`image build --output`: where else than to the engine the result goes, as buildx has it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import anyio

from engine.api.errors import InvalidArgument
from engine.client.session import Engine
from engine.kit.files import arriving_file

KINDS = ("local", "tar", "docker", "oci")
STDOUT = "-"


@dataclass(frozen=True, slots=True)
class Output:
    """`place` is a folder for `local`, else a file, `-` for stdout."""

    kind: str
    place: str

    @classmethod
    def parse(cls, text: str) -> Output:
        """`DIR`, `-`, or `type=KIND,dest=PLACE`. Raises InvalidArgument."""
        if "=" not in text:
            return cls("tar", STDOUT) if text == STDOUT else cls("local", text)
        said = dict(part.partition("=")[::2] for part in text.split(","))
        kind, place = said.pop("type", ""), said.pop("dest", "")
        if kind in {"image", "registry"}:
            raise InvalidArgument(f"--output type={kind}: the engine keeps the image anyway; `image push` pushes it")
        if kind not in KINDS or said:
            raise InvalidArgument(f"--output takes DIR, - or type={'|'.join(KINDS)},dest=PLACE, not {text!r}")
        if not place and kind == "local":
            raise InvalidArgument("--output type=local needs dest=DIR")
        return cls(kind, place or STDOUT)

    async def write(self, engine: Engine, image_id: str, tags: Sequence[str]) -> None:
        # late: only a build with an output of its own needs these
        from engine.builders import output
        from engine.builders.build import platform_of

        platform = await platform_of(engine)
        async with output.saved(engine, tags[0] if tags and self.kind == "docker" else image_id) as archive:
            await anyio.to_thread.run_sync(self._write, archive, platform, tags[0] if tags else "")

    def _write(self, archive: Path, platform: object, name: str) -> None:
        # late: as above
        from engine.builders import output
        from engine.oci.platform import Platform

        assert isinstance(platform, Platform)
        if self.kind == "local":
            output.unpack_files(archive, platform, Path(self.place))
            return
        with opened_for_writing(self.place) as out:
            match self.kind:
                case "tar":
                    output.write_files(archive, platform, out)
                case "oci":
                    output.write_layout(archive, platform, name, out)
                case _:
                    with archive.open("rb") as file:
                        shutil.copyfileobj(file, out)


@contextmanager
def opened_for_writing(place: str) -> Iterator[BinaryIO]:
    """The file is there whole, or as it was before."""
    if place == STDOUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with arriving_file(Path(place)) as file:
        yield file
