"""Hears what became of what other services were asked to do for breaks; the next run takes it in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from services.reconciliation.domain.break_life import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a service says of a wish of ours."""

    event_id: str
    asked_event_id: str
    break_id: str
    outcome: Outcome
    named: str | None
    """What it is there: the journal, the adjustment that waits, the operation that gives money back."""
    reason: str | None
    answered_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnResult:
    """What became of an operation of payment's that gives money back, whoever asked for it."""

    event_id: str
    operation_id: str
    outcome: Outcome
    reason: str | None
    answered_at: datetime


class Answers(Protocol):
    """What one transaction hears."""

    def hear(self, answer: Answer) -> None:
        """Keep it with this transaction, once; an answer to what we never asked is nobody's."""
        ...

    def hear_result(self, result: ReturnResult) -> None:
        """Keep it as an answer, where that operation was begun for a wish of ours."""
        ...
