"""`rorqual container`: single containers of the engine, whatever project they are of. Its commands lie beside it."""

from __future__ import annotations

from engine.cli.objects import containers_change, containers_enter, containers_look, containers_make
from engine.cli.objects.group import make_group

container = make_group("Containers of the engine, one by one.")
for module in (containers_make, containers_look, containers_change, containers_enter):
    module.add_to(container)
