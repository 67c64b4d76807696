"""A remote file of the project, fetched by the loader of the request; a fault is told at the place that names it."""

from __future__ import annotations

from specs.node import Node
from specs.remote import Fetched, Unfetchable
from specs.resolve.context import Context
from specs.resolve.refusal import refusal


def fetch(context: Context, name: str, place: Node | None = None) -> Fetched:
    """The file on this machine. Raises Refusal."""
    if context.fetch is None:
        raise refusal(place, "remote-file", f"{name} is a remote file, which is not read here")
    try:
        return context.fetch(name)
    except Unfetchable as error:
        raise refusal(place, "remote-file", error.message, error.hint) from None
