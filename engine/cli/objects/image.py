"""`rorqual image`: single images of the engine. Its commands lie beside it."""

from __future__ import annotations

from engine.cli.objects import images_look, images_move
from engine.cli.objects.group import make_group

image = make_group("Images of the engine, one by one.")
for module in (images_look, images_move):
    module.add_to(image)
