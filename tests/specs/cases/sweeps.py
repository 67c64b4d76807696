"""Every place of the language × every spelling of a value: what each key takes, refuses and turns it into."""

from __future__ import annotations

from collections.abc import Iterator

from tests.specs.cases.case import Case, around, service, table

# These go everywhere; of the others, every place gets each fourth, the next place the next.
ALWAYS = ("", "1", '"1"', "1.5", "true", "foo", '""', "[foo]", "{foo: bar}")
STRIDE = 4


def cases(stride: int = STRIDE) -> Iterator[Case]:
    others = [value for value in table("values") if value not in ALWAYS]
    for turn, slot in enumerate(table("service-slots")):
        for value in (*ALWAYS, *others[turn % stride :: stride]):
            yield around(f"sweep/{slot}/{value}", service(slot.replace("@", value)))
    for turn, slot in enumerate(table("top-slots")):
        for value in (*ALWAYS, *others[turn % stride :: stride]):
            yield around(f"sweep-top/{slot}/{value}", top(slot, value), files={"work/inc.yaml": INCLUDED})


INCLUDED = "services: {inc: {image: inc}}\n"
USER = """
  web:
    image: app
"""
USES = {
    "networks": "    networks: [n]\n",
    "volumes": "    volumes: ['v:/v']\n",
    "secrets": "    secrets: [s]\n",
    "configs": "    configs: [c]\n",
    "models": "    models: [m]\n",
}


def top(slot: str, value: str) -> str:
    """A file with the slot at its top, and a service that uses what the slot defines."""
    key = slot.partition(":")[0]
    if key == "services":
        return slot.replace("@", value) + "\n"
    return f"services:{USER}{USES.get(key, '')}{slot.replace('@', value)}\n"
