"""Owns the processor's objects and what a change to them consists of. Pure values.

``version`` counts changes of an object's own status and is shown outside, with ``updated_at`` as the time
of the last one; ``revision`` counts every change of the row (room taken by a capture or a refund too) and
orders writers inside. So a fact read later or elsewhere is the same fact.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal


class Status(StrEnum):
    """All statuses; each kind of object uses its own few."""

    AUTHORIZED = "authorized"
    DECLINED = "declined"
    VOIDED = "voided"
    EXPIRED = "expired"
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    INQUIRY = "inquiry"
    OPENED = "opened"
    UNDER_REVIEW = "under_review"
    ACCEPTED = "accepted"
    WON = "won"
    LOST = "lost"
    WITHDRAWN = "withdrawn"
    REINSTATED = "reinstated"
    TAKEN = "taken"
    GIVEN_BACK = "given_back"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What an object inherits from the authorization it stems from."""

    account: str
    payment_method: str
    currency: str
    metadata: Mapping[str, str]

    @property
    def payment_id(self) -> str | None:
        """The caller's payment, if it said so; the book is kept by it."""
        return self.metadata.get("payment")


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """A hold on a card, and how much of it has been used or given back."""

    kind: Literal["authorization"] = "authorization"
    id: str
    origin: Origin
    reference: str
    status: Status
    amount_minor: int
    captured_minor: int
    released_minor: int
    decline_code: str | None
    void_reference: str | None
    capture_before: datetime | None
    version: int
    revision: int
    created_at: datetime
    updated_at: datetime

    @property
    def capturable_minor(self) -> int:
        """What can still be captured."""
        if self.status is not Status.AUTHORIZED:
            return 0
        return self.amount_minor - self.captured_minor - self.released_minor


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """Money taken under an authorization; ``refunded_minor`` includes refunds still pending."""

    kind: Literal["capture"] = "capture"
    id: str
    authorization_id: str
    origin: Origin
    reference: str
    status: Status
    amount_minor: int
    refunded_minor: int
    version: int
    revision: int
    created_at: datetime
    updated_at: datetime

    @property
    def refundable_minor(self) -> int:
        """What can still be given back."""
        return self.amount_minor - self.refunded_minor if self.status is Status.SUCCEEDED else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    """Money given back under a capture."""

    kind: Literal["refund"] = "refund"
    id: str
    capture_id: str
    origin: Origin
    reference: str
    status: Status
    amount_minor: int
    version: int
    revision: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispute:
    """A claim to a capture's money; its money moves by money rows of its own."""

    kind: Literal["dispute"] = "dispute"
    id: str
    capture_id: str
    #: The caller's reference of the capture: under it the book keeps what was taken.
    capture_reference: str
    origin: Origin
    #: The caller's reference of its last answer, and those of all its answers: a look-up finds it under each.
    reference: str | None
    answers: tuple[str, ...]
    status: Status
    amount_minor: int
    reason: str
    evidence_due_by: datetime | None
    documents: Mapping[str, str]
    withdrawn_minor: int
    reinstated_minor: int
    #: How it will be decided by itself, if anybody has said so.
    verdict: Status | None
    version: int
    revision: int
    created_at: datetime
    updated_at: datetime

    @property
    def outstanding_minor(self) -> int:
        """What was taken for it and not given back."""
        return self.withdrawn_minor - self.reinstated_minor


@dataclass(frozen=True, slots=True, kw_only=True)
class Reversal:
    """Captured money taken back without a dispute; it moves by money rows too."""

    kind: Literal["reversal"] = "reversal"
    id: str
    capture_id: str
    capture_reference: str
    origin: Origin
    reference: None = None
    status: Status
    amount_minor: int
    given_back_minor: int
    version: int
    revision: int
    created_at: datetime
    updated_at: datetime

    @property
    def outstanding_minor(self) -> int:
        """What was taken and not given back."""
        return self.amount_minor - self.given_back_minor


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyRow:
    """One movement of a dispute's or a reversal's money, with the processor's fee; it never changes."""

    kind: Literal["money_row"] = "money_row"
    id: str
    subject_kind: Literal["dispute", "reversal"]
    subject_id: str
    capture_id: str
    capture_reference: str
    origin: Origin
    reference: None = None
    status: Status
    amount_minor: int
    fee_minor: int
    version: int = 1
    revision: int = 1
    created_at: datetime
    updated_at: datetime


ProcessorObject = Authorization | Capture | Refund | Dispute | Reversal | MoneyRow


class MovementKind(StrEnum):
    """Why a row stands in the book."""

    AUTHORIZATION_PENDING = "authorization_pending"
    AUTHORIZED = "authorized"
    DECLINED = "declined"
    CAPTURED = "captured"
    CAPTURE_PENDING = "capture_pending"
    VOIDED = "voided"
    EXPIRED = "expired"
    REFUNDED = "refunded"
    REFUND_PENDING = "refund_pending"
    REFUND_DECLINED = "refund_declined"
    REFUND_FAILED = "refund_failed"
    CAPTURE_FAILED = "capture_failed"
    INQUIRED = "inquired"
    WITHDRAWN = "withdrawn"
    ANSWERED = "answered"
    DECIDED = "decided"
    REINSTATED = "reinstated"
    REVERSED = "reversed"
    GIVEN_BACK = "given_back"


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """One row of the book: signed changes of what is held, captured, refunded, withdrawn and reversed.

    ``subject_id`` is the object whose room the movement used, ``subject_revision`` its revision after
    it. The pair is unique in the book, so two writers can never use the same room.
    """

    kind: MovementKind
    object: ProcessorObject
    subject_id: str
    subject_revision: int
    held_minor: int = 0
    captured_minor: int = 0
    refunded_minor: int = 0
    withdrawn_minor: int = 0
    reversed_minor: int = 0
    #: What the processor charges for a dispute, beside the disputed money.
    fee_minor: int = 0


class TimerAction(StrEnum):
    """What the processor does by itself later."""

    EXPIRE_AUTHORIZATION = "expire_authorization"
    SETTLE_AUTHORIZATION = "settle_authorization"
    #: The same of a sale, whose money is taken as soon as it is held.
    SETTLE_SALE = "settle_sale"
    SETTLE_CAPTURE = "settle_capture"
    SETTLE_REFUND = "settle_refund"
    FAIL_REFUND = "fail_refund"
    FAIL_CAPTURE = "fail_capture"
    CLAIM_CAPTURE = "claim_capture"
    DECIDE_DISPUTE = "decide_dispute"
    GIVE_REVERSAL_BACK = "give_reversal_back"
    #: Of an event, not of an object: it was kept back from the feed, and shows from now on.
    SHOW_EVENT = "show_event"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timer:
    """A change of ``object_id`` that falls due by itself; without ``due_at`` after the settling delay."""

    action: TimerAction
    object_id: str
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """Everything one decision changes; it is written whole or not at all.

    ``result`` is what the caller is shown, ``announced`` the objects whose new status goes out as an
    event, in order.
    """

    result: ProcessorObject
    objects: tuple[ProcessorObject, ...]
    movements: tuple[Movement, ...]
    announced: tuple[ProcessorObject, ...]
    timers: tuple[Timer, ...] = ()
