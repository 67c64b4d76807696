"""The project that a command works on: loaded, its warnings on stderr, its errors raised."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from engine.cli.options import ProjectOptions
from engine.cli.request import request_of
from specs.load import Loaded, load
from specs.source import SpecInvalid


def load_project(
    options: ProjectOptions, services: Sequence[str] = (), *, strict_env: bool = False, quiet: bool = False, **more: Any
) -> Loaded:
    """Load what the options name. `services`: only these and what they depend on; `more`: fields of Request.

    Warnings go to stderr unless `quiet`. Raises SpecInvalid with the whole report when there are errors.
    """
    request = replace(request_of(options, strict_env=strict_env), services=tuple(services), **more)
    loaded = load(request)
    if loaded.report.failed:
        raise SpecInvalid(loaded.report)
    if len(loaded.report) and not quiet:
        # late: most files have nothing to complain about
        from engine.cli.render.diagnostics import render_text

        print(render_text(loaded.report), file=sys.stderr)
    return loaded
