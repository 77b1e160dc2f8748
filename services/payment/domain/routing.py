"""Where an authorization goes: chosen when it is asked for, from the merchant's and the currency's rules."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.kernel.errors import Rejected


@dataclass(frozen=True, slots=True)
class Place:
    """A processor, and our account there."""

    processor: str
    account: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The places that this process knows, and the one for payments without a rule."""

    default: Place
    accounts: Mapping[str, str] = field(default_factory=dict)
    """Our account at each processor."""

    def place(self, processor: str | None) -> Place:
        """Return where a rule's processor is; a rule that we cannot follow refuses, it never picks another."""
        if processor is None or processor == self.default.processor:
            return self.default
        if processor not in self.accounts:
            raise Rejected(
                "route_unusable",
                f"payments like this go to {processor}, which is not configured here",
                status=503,
                stored=False,
            )
        return Place(processor, self.accounts[processor])


@dataclass(frozen=True, slots=True, kw_only=True)
class Abilities:
    """What a processor does with a hold."""

    partial_captures: bool
    several_captures: bool


ABILITIES: Mapping[str, Abilities] = {
    "alpha": Abilities(partial_captures=True, several_captures=True),
    "beta": Abilities(partial_captures=True, several_captures=False),
}
"""What a payment must know of a processor beforehand, because asking for more would be refused there."""


def takes_several_captures(processor: str) -> bool:
    """Whether a hold there can be captured in parts; of one that we do not know, we assume the least."""
    abilities = ABILITIES.get(processor)
    return abilities is not None and abilities.several_captures


def takes_partial_captures(processor: str) -> bool:
    """Whether less than a hold can be captured there; of one that we do not know, we assume the least."""
    abilities = ABILITIES.get(processor)
    return abilities is not None and abilities.partial_captures
