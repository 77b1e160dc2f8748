"""The words a payment is described in: statuses, certainty, capture method, who asked, evidence sources."""

from enum import StrEnum


class Status(StrEnum):
    """Where a payment stands; once money is captured it is derived from the amounts."""

    CREATED = "CREATED"
    REQUIRES_PAYMENT_METHOD = "REQUIRES_PAYMENT_METHOD"
    AUTHORIZED = "AUTHORIZED"
    CAPTURED = "CAPTURED"
    SETTLED = "SETTLED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"
    REFUNDED = "REFUNDED"
    DISPUTED = "DISPUTED"
    REVERSED = "REVERSED"


class Certainty(StrEnum):
    """How sure we are of what the payment shows."""

    CERTAIN = "certain"
    PENDING = "pending"
    UNCERTAIN = "uncertain"


class CaptureMethod(StrEnum):
    """Whether the money is taken in the same step as the hold."""

    AUTOMATIC = "automatic"
    MANUAL = "manual"


class Source(StrEnum):
    """Where a piece of evidence, or the wish to act, came from."""

    MERCHANT = "merchant"
    REPLY = "reply"
    POLL = "poll"
    WEBHOOK = "webhook"
    FEED = "feed"
    OPERATOR = "operator"
    TIMER = "timer"
    RISK = "risk"
    SETTLEMENT = "settlement"


#: Evidence that ``processor`` gathered itself: it needs no ``OperationDecided`` to stop its ladder.
KNOWN_TO_PROCESSOR = frozenset({Source.REPLY, Source.POLL})
