"""What the use cases need from outside: rule sets, attempts that were counted, decisions, and a way to tell of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from services.risk.domain.attempts import Attempt
from services.risk.domain.judging import Judgement
from services.risk.domain.rule_set_states import RuleSetState
from services.risk.domain.rules import Counted, RuleSet, Velocity
from shared.kernel.ids import Ids
from shared.kernel.operators import OperatorAct

#: (operation id, name of a velocity rule)
CountKey = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was decided of one operation; written once, never changed."""

    decision_id: str
    attempt: Attempt
    judgement: Judgement
    cause_event_id: str
    decided_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRuleSet:
    """A rule set with its life."""

    version: int
    state: RuleSetState
    document: Mapping[str, Any]
    based_on_version: int
    proposed_by: str
    proposed_at: datetime
    reason: str
    approved_by: str | None = None
    activated_at: datetime | None = None
    closed_by: str | None = None
    closed_at: datetime | None = None


class RuleSets(Protocol):
    """Rule sets: one is in force at any time."""

    def active(self) -> RuleSet:
        """The rules in force as this transaction sees them."""
        ...

    def lock(self) -> int:
        """Let nobody else change what is in force until this transaction ends; its version."""
        ...

    def get(self, version: int) -> StoredRuleSet | None: ...

    def propose(self, *, document: Mapping[str, Any], proposed_by: str, reason: str) -> StoredRuleSet:
        """Add a proposal under the next version; only after :meth:`lock`."""
        ...

    def activate(self, version: int, *, approved_by: str) -> None:
        """Retire what is in force and put this one in force; only after :meth:`lock`."""
        ...

    def reject(self, version: int, *, closed_by: str) -> None: ...


class Attempts(Protocol):
    """What velocity counts: each operation once, whoever tells of it how often."""

    def lock(self, keys: Sequence[str]) -> None:
        """Decisions about one subject take turns, so that each counts what the others let pass."""
        ...

    def take_in(self, attempts: Sequence[Attempt]) -> None:
        """Store them; those that are known stay as they are."""
        ...

    def count(self, asked: Sequence[tuple[Attempt, Velocity]]) -> dict[CountKey, Counted]:
        """What each rule's window held at each attempt, in one statement per kind of subject.

        A count may stop one above the rule's limit: more would change nothing.
        """
        ...


class Decisions(Protocol):
    """Decisions of this transaction; those written are announced."""

    def add(self, decision: Decision) -> None: ...


class RiskUnit(Protocol):
    """What one transaction of this service offers its use cases."""

    @property
    def now(self) -> datetime: ...
    @property
    def ids(self) -> Ids: ...
    @property
    def rule_sets(self) -> RuleSets: ...
    @property
    def attempts(self) -> Attempts: ...
    @property
    def decisions(self) -> Decisions: ...

    #: Rules and counts of the batch at hand, loaded once by ``load_batch``.
    batch: "Batch | None"

    def announce(self, act: OperatorAct) -> None:
        """Say what an operator did."""
        ...


@dataclass(frozen=True, slots=True)
class Batch:
    """What the decisions of one batch rest on."""

    rules: RuleSet
    counts: Mapping[CountKey, Counted]
