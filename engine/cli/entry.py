"""Where `rorqual` starts and ends: what Python does before and after the work takes as long as little commands do.

Imports come with the garbage collector at rest, and nothing is taken apart that goes with the process at its end.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
from typing import NoReturn


def main() -> NoReturn:
    gc.disable()
    try:
        # late: after the collector was told to rest; run() wakes it before the command's own work
        from engine.cli.main import main as command_line

        command_line()
    except SystemExit as end:
        # both streams were flushed (main): 20 ms of taking modules apart are left out, unless somebody is at work still
        if threading.active_count() == 1 and isinstance(end.code, int):
            sys.stderr.flush()
            os._exit(end.code)
        raise
    except KeyboardInterrupt:
        # Ctrl-C while modules were still read: nothing was begun, and there is nothing to tell
        # late: only who was interrupted asks
        from engine.cli.exitcodes import INTERRUPTED

        os._exit(INTERRUPTED)
