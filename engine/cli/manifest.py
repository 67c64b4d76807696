"""`rorqual manifest`: what a registry holds under a name, without pulling it."""

from __future__ import annotations

import json
from typing import Annotated, Any

import anyio
import typer

from engine.cli.remote_names import Insecure, asking, repository_of

manifest = typer.Typer(no_args_is_help=True, help="What a registry holds under a name.")


@manifest.callback()
def before() -> None:
    """What a registry holds under a name."""


@manifest.command("inspect")
def inspect(
    name: Annotated[str, typer.Argument(metavar="NAME[:TAG|@DIGEST]")],
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="With the descriptor, and an index's images")
    ] = False,
    insecure: Insecure = False,
) -> None:
    """Print an image's manifest or index. Example: rorqual manifest inspect localhost:5000/web:1"""
    reference = repository_of(name).with_default_tag()

    async def run() -> Any:
        async with asking(reference.domain, insecure) as (registries, auth):
            remote = registries.remote(reference, auth)
            found = await remote.manifest(reference.digest or reference.tag)
            if not verbose:
                return found.document
            children = found.document.get("manifests") or ()
            shown = [await remote.manifest(str(one.get("digest"))) for one in children] or [found]
            entries = [
                {
                    "Ref": str(reference),
                    "Descriptor": {
                        "mediaType": one.media_type,
                        "digest": str(one.digest),
                        "size": len(one.content),
                    },
                    "Manifest": one.document,
                }
                for one in shown
            ]
            return entries if children else entries[0]

    print(json.dumps(anyio.run(run), indent=3, ensure_ascii=False))
