"""`rorqual image`: the engine's images, one by one, and those of registries."""

from __future__ import annotations

from engine.cli.image_build import build
from engine.cli.image_remote import pull, push, search
from engine.cli.objects import images_look, images_move
from engine.cli.objects.group import make_group

image = make_group("Images of the engine, and of registries.")

image.command("build")(build)
image.command("pull")(pull)
image.command("push")(push)
image.command("search")(search)
images_look.add_to(image)
images_move.add_to(image)
