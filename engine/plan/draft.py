"""A plan while it is being made: steps in order, and which steps touch what."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from engine.graph.address import Address
from engine.plan.steps import Action, FieldChange, Step, WaitFor
from specs.source import Diagnostic


@dataclass(slots=True)
class Draft:
    """`by_address` are the ids of the steps on one object: what comes after it needs them."""

    steps: list[Step] = field(default_factory=list)
    warnings: list[Diagnostic] = field(default_factory=list)
    by_address: defaultdict[Address, list[int]] = field(default_factory=lambda: defaultdict(list))

    def add(
        self,
        address: Address,
        action: Action,
        because: str,
        *,
        fields: Iterable[FieldChange] = (),
        needs: Iterable[int] = (),
    ) -> int:
        """Append one step and return its id. Steps on one object follow one another; a wait changes nothing, so what
        doesn't need it need not follow it.
        """
        number = len(self.steps) + 1
        before = self.on(address)
        self.steps.append(Step(number, address, action, because, tuple(fields), frozenset((*needs, *before))))
        if not isinstance(action, WaitFor):
            self.by_address[address].append(number)
        return number

    def on(self, *addresses: Address) -> list[int]:
        """The last step on each of the objects, where there is one."""
        return [self.by_address[a][-1] for a in addresses if self.by_address.get(a)]
