"""Owns the rules of a script: which calls a rule is meant for, and what it does to them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from services.sandbox.domain.faults import NO_FAULT, Fault, Operation, Reading
from services.sandbox.domain.random_faults import Lottery


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One call, as far as rules look at it."""

    operation: Operation | Reading
    reference: str | None = None
    payment: str | None = None
    payment_method: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """What a call must be like; what is left out fits every call, but reading must be named to be meant.

    Somebody reads feeds every few seconds: a rule for one call, whichever it be, would be spent before anybody asks.
    """

    operation: Operation | Reading | None = None
    reference: str | None = None
    payment: str | None = None
    payment_method: str | None = None

    def fits(self, asked: Asked) -> bool:
        """Whether the call is meant."""
        wanted = (
            (self.reference, asked.reference),
            (self.payment, asked.payment),
            (self.payment_method, asked.payment_method),
        )
        return self.means(asked.operation) and all(want is None or want == have for want, have in wanted)

    def means(self, operation: Operation | Reading) -> bool:
        """Whether calls of this kind are meant at all."""
        if self.operation is None:
            return isinstance(operation, Operation)
        return self.operation is operation


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One row of a script: a fault for the calls that fit, or a lot for each of them."""

    id: int
    match: Match
    fault: Fault = NO_FAULT
    lottery: Lottery | None = None
    #: How many calls it strikes; none: every one.
    calls: int | None = None

    def fault_for(self, asked: Asked) -> Fault:
        """What strikes a call that fits."""
        if self.lottery is None:
            return self.fault
        if not isinstance(asked.operation, Operation):
            return NO_FAULT
        return self.lottery.draw(asked.operation, asked.reference or "")


RULES_MAX: Final = 1_000


def fitting(rules: Iterable[Rule], asked: Asked) -> list[Rule]:
    """The rules that are meant for this call, oldest first."""
    return [rule for rule in rules if rule.match.fits(asked)]


def concerns(rules: Iterable[Rule], operation: Operation | Reading) -> bool:
    """Whether any rule might be meant for such a call: asked before anything is read for it."""
    return any(rule.match.means(operation) for rule in rules)
