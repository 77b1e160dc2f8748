"""The auditor's words: a check and when it may be asked, what it found, and the whole report."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Final

VIOLATIONS_SHOWN_MAX: Final = 100


class AuditImpossible(RuntimeError):  # noqa: N818  # says what happened
    """The auditor cannot look: an address is missing, a database or a topic is not there."""


class Moment(Enum):
    """When a check may be asked: at any moment, or only once nothing is on its way any more."""

    LIVE = "live"
    QUIESCENT = "quiescent"


@dataclass(frozen=True, slots=True)
class Check:
    """One invariant as two queries over the auditor's copy: rows that break it, and how many rows it looked at."""

    name: str
    explanation: str
    moment: Moment
    checked: str
    violations: str


@dataclass(frozen=True, slots=True)
class Invariant:
    """What came of one check. ``violations`` has the rows that break it: the first hundred, or as asked."""

    name: str
    explanation: str
    checked: int
    holds: bool
    violations: list[dict[str, object]] = field(default_factory=list)
    more: bool = False
    """Whether further rows break it than ``violations`` has."""


@dataclass(frozen=True, slots=True)
class Report:
    """The verdict: ``holds`` only if every invariant does."""

    holds: bool
    invariants: list[Invariant]
    figures: dict[str, object]
