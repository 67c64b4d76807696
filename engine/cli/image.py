"""`rorqual image`: the engine's images, one by one, and those of registries."""

from __future__ import annotations

import typer

from engine.cli.image_remote import pull, push, search

image = typer.Typer(no_args_is_help=True, help="Images of the engine, and of registries.")

image.command("pull")(pull)
image.command("push")(push)
image.command("search")(search)
