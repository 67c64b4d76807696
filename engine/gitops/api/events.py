"""Events for a client: those of the past as JSON, or all as they happen as server-sent events (HTML standard, 9.2)."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

import anyio

from engine.client.errors import InvalidArgument
from engine.gitops.api.call import Call
from engine.gitops.api.documents import event_document, plain
from engine.gitops.state.store import Event, Store

# A proxy between us closes what says nothing for long.
KEEPALIVE_SECONDS = 15.0


async def send_events(call: Call) -> None:
    """`after` (or Last-Event-ID) is the last event that the client has; without it a stream starts now."""
    given = call.query.get("after") or call.exchange.headers.get("last-event-id")
    if given is not None and not given.isdigit():
        raise InvalidArgument(f'after takes the number of an event, not "{given}"')
    store = call.agent.desk.store
    if call.query.get("follow") in {"false", "0"}:
        await call.answer([event_document(event) for event in store.events(int(given or 0))])
        return
    headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
    with call.agent.desk.bus.listening() as coming:
        async with call.exchange.stream(200, headers) as send:
            last = await send_missed(send, store, int(given)) if given is not None else store.newest_event()
            await send(b": following\n\n")
            while True:
                with anyio.move_on_after(KEEPALIVE_SECONDS) as quiet:
                    event = await anext(coming)
                if quiet.cancelled_caught:
                    await send(b": still here\n\n")
                    last = await send_missed(send, store, last)
                elif event.id == 0:
                    # one that could not be kept
                    await send(wire(event))
                elif event.id > last + 1:
                    # who reads slowly loses what comes meanwhile: it is kept
                    last = await send_missed(send, store, last)
                elif event.id > last:
                    await send(wire(event))
                    last = event.id


async def send_missed(send: Callable[[bytes], Awaitable[None]], store: Store, last: int) -> int:
    """All events after `last`, a page at a time; returns the number of the newest."""
    while page := store.events_after(last):
        for event in page:
            await send(wire(event))
        last = page[-1].id
    return last


def wire(event: Event) -> bytes:
    data = json.dumps(event_document(event), ensure_ascii=False, default=plain)
    return f"id: {event.id}\nevent: {event.kind}\ndata: {data}\n\n".encode()
