"""Events for a client: those of the past as JSON, or all as they happen as server-sent events (HTML standard, 9.2)."""

from __future__ import annotations

import json

import anyio

from engine.client.errors import InvalidArgument
from engine.gitops.api.call import Call
from engine.gitops.api.documents import event_document, plain
from engine.gitops.state.store import Event

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
            last = int(given or 0)
            # all that the client has missed, a page at a time
            while given is not None and (page := store.events_after(last)):
                for event in page:
                    await send(wire(event))
                last = page[-1].id
            await send(b": following\n\n")
            while True:
                with anyio.move_on_after(KEEPALIVE_SECONDS) as quiet:
                    event = await anext(coming)
                if quiet.cancelled_caught:
                    await send(b": still here\n\n")
                elif event.id > last or event.id == 0:
                    await send(wire(event))


def wire(event: Event) -> bytes:
    data = json.dumps(event_document(event), ensure_ascii=False, default=plain)
    return f"id: {event.id}\nevent: {event.kind}\ndata: {data}\n\n".encode()
