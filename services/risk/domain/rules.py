"""Rules as data: limits, velocity in sliding windows, block lists; one immutable set per version."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any, Self

from services.risk.domain.attempts import COUNTED, Attempt, OperationType, Subject


class Verdict(StrEnum):
    """What the rules say of an operation."""

    ALLOW = "allow"
    REVIEW = "review"
    BLOCK = "block"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which attempts a rule speaks of; empty means all."""

    merchants: frozenset[str] = frozenset()
    operations: frozenset[OperationType] = frozenset()
    currency: str | None = None

    def covers(self, attempt: Attempt) -> bool:
        """Whether the rule has anything to say of it."""
        return (
            (not self.merchants or attempt.merchant_id in self.merchants)
            and (not self.operations or attempt.operation_type in self.operations)
            and self.currency in {None, attempt.currency}
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A single amount above this is hit."""

    name: str
    max_minor: int
    verdict: Verdict
    scope: Scope

    @property
    def reason(self) -> str:
        return f"limit:{self.name}"

    def hit_by(self, attempt: Attempt) -> bool:
        """Whether the amount is above the limit."""
        return self.scope.covers(attempt) and attempt.amount_minor > self.max_minor


@dataclass(frozen=True, slots=True, kw_only=True)
class Velocity:
    """More than so many attempts, or so much money, of one subject within the window before and at an attempt."""

    name: str
    subject: Subject
    window: timedelta
    verdict: Verdict
    scope: Scope
    max_count: int | None = None
    max_minor: int | None = None

    @property
    def reason(self) -> str:
        return f"velocity:{self.name}"

    def asks_about(self, attempt: Attempt) -> bool:
        """Whether the attempt must be counted to be judged."""
        return (
            attempt.operation_type in COUNTED
            and self.scope.covers(attempt)
            and attempt.key_of(self.subject) is not None
        )

    def exceeded_by(self, counted: "Counted") -> bool:
        """Whether what was counted, the attempt itself included, is above the limit."""
        return (self.max_count is not None and counted.attempts > self.max_count) or (
            self.max_minor is not None and counted.amount_minor > self.max_minor
        )


@dataclass(frozen=True, slots=True)
class Counted:
    """What one subject did within one window, the judged attempt included."""

    attempts: int
    amount_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockList:
    """Subjects that nothing is allowed to: keys as :meth:`Attempt.key_of` gives them."""

    keys: Mapping[Subject, frozenset[str]] = field(default_factory=dict)

    def reasons(self, attempt: Attempt) -> list[str]:
        """Which lists the attempt is on."""
        return [
            f"blocked:{subject.value}"
            for subject in Subject
            if attempt.key_of(subject) in self.keys.get(subject, frozenset())
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSet:
    """Everything in force at one time, under one version."""

    version: int
    limits: Sequence[Limit] = ()
    velocity: Sequence[Velocity] = ()
    blocked: BlockList = field(default_factory=BlockList)

    @classmethod
    def of(cls, version: int, document: Mapping[str, Any]) -> Self:
        """The rules of a stored document; its form was checked when it was proposed."""
        blocked = document.get("blocked", {})
        customers = [f"{entry['merchant']}/{entry['customer']}" for entry in blocked.get("customers", ())]
        return cls(
            version=version,
            limits=tuple(
                Limit(
                    name=rule["name"],
                    max_minor=rule["max_minor"],
                    verdict=Verdict(rule["decision"]),
                    scope=_scope(rule),
                )
                for rule in document.get("limits", ())
            ),
            velocity=tuple(
                Velocity(
                    name=rule["name"],
                    subject=Subject(rule["subject"]),
                    window=timedelta(seconds=rule["window_s"]),
                    max_count=rule.get("max_count"),
                    max_minor=rule.get("max_minor"),
                    verdict=Verdict(rule["decision"]),
                    scope=_scope(rule),
                )
                for rule in document.get("velocity", ())
            ),
            blocked=BlockList(
                keys={
                    Subject.CUSTOMER: frozenset(customers),
                    Subject.PAYMENT_METHOD: frozenset(blocked.get("payment_methods", ())),
                    Subject.MERCHANT: frozenset(blocked.get("merchants", ())),
                }
            ),
        )


def _scope(rule: Mapping[str, Any]) -> Scope:
    return Scope(
        merchants=frozenset(rule.get("merchants") or ()),
        operations=frozenset(OperationType(name) for name in rule.get("operations") or ()),
        currency=rule.get("currency"),
    )
