"""Owns the vocabulary of faults: what can happen to one call, its reply, its webhooks and what others see of it.

A fault says nothing about the effect but whether there is one: the book tells what really happened, whatever the
caller was shown.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import Final


class Operation(StrEnum):
    """What a caller can ask of the processor."""

    AUTHORIZATION = "authorization"
    CAPTURE = "capture"
    VOID = "void"
    REFUND = "refund"
    DISPUTE = "dispute"


class Reading(StrEnum):
    """What a caller can read, and a script can disturb."""

    LOOK_UP = "look_up"
    FEED = "feed"


class ReplyFault(StrEnum):
    """What happens to a reply."""

    NONE = ""
    TIMEOUT_BEFORE = "timeout_before"
    TIMEOUT_AFTER = "timeout_after"
    ERROR_BEFORE = "500_before"
    ERROR_AFTER = "500_after"
    EFFECT_LATE = "effect_late"
    HANG = "hang"
    RATE_LIMITED = "rate_limited"
    MALFORMED = "malformed"
    #: These lie: "not executed" and "refused", although it took effect.
    RATE_LIMITED_AFTER = "rate_limited_after"
    REFUSED_AFTER = "refused_after"
    #: Only by script: an echo that differs from what took effect.
    WRONG_AMOUNT = "wrong_amount"
    WRONG_CURRENCY = "wrong_currency"
    WRONG_REFERENCE = "wrong_reference"
    #: Only by script: an error of any status and code, without the effect and with it.
    STATUS_BEFORE = "status_before"
    STATUS_AFTER = "status_after"
    #: No lie: the processor really refuses, in its usual words, and nothing takes effect.
    REFUSED = "refused"


class EffectPlan(StrEnum):
    """How often one call takes effect, where it does at all."""

    ONCE = ""
    #: A second time under the same key and reference, as far as there is room; the reply tells of the first.
    TWICE = "twice"


class WebhookPlan(StrEnum):
    """How the webhooks of one effect are delivered."""

    NORMAL = ""
    FIRST = "webhook_first"
    TWICE = "webhook_twice"
    LATE = "webhook_late"
    LOST = "webhook_lost"
    #: One effect's webhooks in the wrong order, the last one first.
    REVERSED = "webhook_reversed"
    #: Before each webhook comes one with its very bytes that somebody else signed.
    FORGED = "webhook_forged"
    #: Before each webhook comes its own copy with a signature that is right and too old.
    STALE = "webhook_stale"
    #: Before each webhook comes one with its very bytes and without any signature.
    UNSIGNED = "webhook_unsigned"
    #: Before each webhook comes one, rightly signed, about an object that nobody has ever made.
    NOBODYS = "webhook_nobodys"
    #: In place of each webhook comes one about an object in a state that no documentation knows.
    GARBLED = "webhook_garbled"


class Imitation(StrEnum):
    """What a stranger makes of a webhook; none may ever be believed."""

    FORGED = "forged"
    STALE = "stale"
    UNSIGNED = "unsigned"


IMITATIONS: Final[Mapping[WebhookPlan, Imitation]] = {
    WebhookPlan.FORGED: Imitation.FORGED,
    WebhookPlan.STALE: Imitation.STALE,
}
"""Those that are a delivery of the event itself; the others are events of their own (``EXTRAS``)."""
EXTRAS: Final[Mapping[WebhookPlan, str]] = {
    WebhookPlan.UNSIGNED: "unsigned",
    WebhookPlan.NOBODYS: "nobodys",
    WebhookPlan.GARBLED: "unreadable",
}
"""What comes before each webhook, or in its place, as an event of its own on no feed, with this behind its name."""


class FeedPlan(StrEnum):
    """How the events of one effect show in the feed (at beta: in the list)."""

    NORMAL = ""
    LATE = "late"
    LOST = "lost"
    GARBLED = "garbled"


FAULTS_BEFORE_EFFECT: Final = frozenset(
    {
        ReplyFault.TIMEOUT_BEFORE,
        ReplyFault.ERROR_BEFORE,
        ReplyFault.HANG,
        ReplyFault.RATE_LIMITED,
        ReplyFault.STATUS_BEFORE,
    }
)
BODY_FAULTS: Final = frozenset(
    {
        ReplyFault.MALFORMED,
        ReplyFault.WRONG_AMOUNT,
        ReplyFault.WRONG_CURRENCY,
        ReplyFault.WRONG_REFERENCE,
    }
)
"""The reply comes, and its body is not what took effect."""
READING_FAULTS: Final = frozenset(
    {
        ReplyFault.TIMEOUT_BEFORE,
        ReplyFault.ERROR_BEFORE,
        ReplyFault.HANG,
        ReplyFault.RATE_LIMITED,
        ReplyFault.MALFORMED,
        ReplyFault.STATUS_BEFORE,
    }
)
"""What can happen to reading, which has no effect."""
COPIES_MAX: Final = 10
NO_DELAY: Final = timedelta(0)
FOR_EVER: Final = timedelta(days=36_500)


DECLINE_CODE: Final = "generic_decline"
REFUSALS: Final[Mapping[Operation, str]] = {
    Operation.CAPTURE: "authorization_not_capturable",
    Operation.VOID: "authorization_not_voidable",
    Operation.REFUND: "capture_not_refundable",
    Operation.DISPUTE: "dispute_not_answerable",
}
"""How a refusal is worded that gives no other code. An authorization is no error: it is there, and declined."""
CONFLICT: Final = 409


@dataclass(frozen=True, slots=True)
class ErrorReply:
    """A reply that is an error. Without a code it is none of the processor's own: a proxy in between might say it."""

    status: int
    code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Everything that goes wrong with one call."""

    reply: ReplyFault = ReplyFault.NONE
    effect: EffectPlan = EffectPlan.ONCE
    #: What a reply of a stated status says.
    error: ErrorReply | None = None
    #: The code of an honest refusal, if not the usual one.
    refusal: str | None = None
    #: Strikes every call, repeated ones too; otherwise only the first under a key (at beta: under a reference).
    always: bool = False
    reply_delay: timedelta = NO_DELAY
    webhooks: WebhookPlan = WebhookPlan.NORMAL
    #: Of late webhooks; without it, the processor's own.
    webhook_delay: timedelta | None = None
    #: How many of each webhook are sent, with the same bytes.
    copies: int = 1
    #: How long look-ups deny what the call made; at beta the list does.
    hidden: timedelta = NO_DELAY
    #: Where the call made nothing, look-ups show for so long what was before it.
    shows_before: bool = False
    feed: FeedPlan = FeedPlan.NORMAL
    feed_delay: timedelta = NO_DELAY
    #: How long the call's idempotency key is remembered, if not as long as the others.
    key_life: timedelta | None = None

    @property
    def is_none(self) -> bool:
        """Whether nothing goes wrong."""
        return replace(self, always=False) == NO_FAULT

    def settled_for(self, operation: Operation | None) -> "Fault":
        """Of an honest refusal, what becomes of this operation: an error, or nothing if the object tells it."""
        if self.reply is not ReplyFault.REFUSED:
            return self
        if operation is None or operation not in REFUSALS:
            return replace(self, reply=ReplyFault.NONE)
        error = ErrorReply(CONFLICT, self.refusal or REFUSALS[operation])
        return replace(self, reply=ReplyFault.STATUS_BEFORE, error=error)

    @property
    def before_effect(self) -> bool:
        """Whether the call has no effect because of it."""
        return self.reply in FAULTS_BEFORE_EFFECT


NO_FAULT: Final = Fault()
