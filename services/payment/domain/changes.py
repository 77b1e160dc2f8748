"""What one transaction changed about a payment, kept until the repository has written and announced it."""

from dataclasses import dataclass, field
from datetime import datetime

from services.payment.domain.commands import ProcessorCommand
from services.payment.domain.events import OperationDeadLettered, PaymentEvent
from services.payment.domain.risk_states import NOT_ASKED, RiskTerms
from services.payment.domain.status import Source, Status
from shared.kernel.ids import Ids


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Under which circumstances something happens: when, caused by what, proved by what."""

    now: datetime
    #: The event or request that caused it; the cause of every event that follows from it.
    cause_id: str
    ids: Ids
    source: Source
    evidence_id: str | None = None
    #: On which terms operations asked for now wait for risk.
    risk: RiskTerms = NOT_ASKED


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryStep:
    """One step of a payment's status or of an operation's state; never changed once written."""

    subject: str
    subject_id: str
    from_state: str | None
    to_state: str
    implied: bool
    evidence_id: str | None
    cause_id: str
    at: datetime


@dataclass(slots=True)
class Changes:
    """Everything not yet written."""

    announcements: list[tuple[PaymentEvent, str]] = field(default_factory=list)
    commands: list[tuple[ProcessorCommand, str]] = field(default_factory=list)
    dead_letters: list[tuple[OperationDeadLettered, str]] = field(default_factory=list)
    history: list[HistoryStep] = field(default_factory=list)
    status_path: list[Status] = field(default_factory=list)
    dirty: bool = False
