"""Where `rorqual` starts: imports come with the garbage collector at rest, which saves a tenth of start-up."""

from __future__ import annotations

import gc
from typing import NoReturn


def main() -> NoReturn:
    gc.disable()
    # late: after the collector was told to rest; run() wakes it before the command's own work
    from engine.cli.main import main as command_line

    command_line()
