"""Owns faults by lot: which fault strikes is a pure function of seed, rate and what is asked, so a run can be replayed.

Nothing here knows time or order: whoever asks in another order, or twice, draws the same lots.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from services.sandbox.domain.faults import (
    COPIES_MAX,
    FOR_EVER,
    NO_FAULT,
    Fault,
    FeedPlan,
    Operation,
    ReplyFault,
    WebhookPlan,
)

RATE_MAX: Final = 100
_STEPS: Final = 2**32

DAYS_LATE: Final = timedelta(days=3)
LOTS: Final[tuple[Fault, ...]] = (
    Fault(reply=ReplyFault.TIMEOUT_BEFORE),
    Fault(reply=ReplyFault.TIMEOUT_AFTER),
    Fault(reply=ReplyFault.ERROR_BEFORE),
    Fault(reply=ReplyFault.ERROR_AFTER),
    Fault(reply=ReplyFault.EFFECT_LATE),
    Fault(reply=ReplyFault.HANG),
    Fault(reply=ReplyFault.RATE_LIMITED),
    Fault(reply=ReplyFault.MALFORMED),
    Fault(reply_delay=timedelta(milliseconds=400)),
    Fault(webhooks=WebhookPlan.FIRST),
    Fault(webhooks=WebhookPlan.TWICE),
    Fault(webhooks=WebhookPlan.LATE),
    Fault(webhooks=WebhookPlan.LOST),
    Fault(webhooks=WebhookPlan.REVERSED),
    Fault(reply=ReplyFault.TIMEOUT_AFTER, webhooks=WebhookPlan.FIRST),
    Fault(reply=ReplyFault.TIMEOUT_AFTER, webhooks=WebhookPlan.LATE),
    Fault(reply=ReplyFault.TIMEOUT_AFTER, webhooks=WebhookPlan.LOST),
    Fault(reply=ReplyFault.ERROR_AFTER, webhooks=WebhookPlan.LOST),
    Fault(reply=ReplyFault.MALFORMED, webhooks=WebhookPlan.LOST),
    Fault(webhooks=WebhookPlan.LOST, feed=FeedPlan.LATE, feed_delay=timedelta(seconds=2)),
    Fault(reply=ReplyFault.TIMEOUT_AFTER, hidden=timedelta(seconds=1)),
    Fault(reply=ReplyFault.TIMEOUT_AFTER, webhooks=WebhookPlan.LOST, hidden=timedelta(seconds=4)),
    Fault(reply=ReplyFault.ERROR_AFTER, webhooks=WebhookPlan.LATE, hidden=timedelta(seconds=4)),
    Fault(webhooks=WebhookPlan.FORGED),
    Fault(webhooks=WebhookPlan.STALE),
    Fault(reply=ReplyFault.TIMEOUT_AFTER, webhooks=WebhookPlan.FORGED),
    Fault(reply=ReplyFault.TIMEOUT_AFTER, webhooks=WebhookPlan.STALE),
    Fault(webhooks=WebhookPlan.LATE, webhook_delay=DAYS_LATE),
    Fault(reply=ReplyFault.TIMEOUT_AFTER, webhooks=WebhookPlan.LATE, webhook_delay=DAYS_LATE),
    Fault(copies=COPIES_MAX),
    Fault(reply=ReplyFault.TIMEOUT_AFTER, copies=COPIES_MAX),
    Fault(webhooks=WebhookPlan.UNSIGNED),
)
"""What may strike. Each leaves some way to the truth, in time: nothing here is beyond what a ladder can find."""

NO_EVIDENCE: Final = Fault(
    reply=ReplyFault.TIMEOUT_AFTER,
    always=True,
    webhooks=WebhookPlan.LOST,
    hidden=FOR_EVER,
    feed=FeedPlan.GARBLED,
)
"""It took effect, and nothing will ever say so, until somebody releases what was kept back."""

OUTLIVES_KEY: Final = Fault(
    reply=ReplyFault.TIMEOUT_AFTER,
    always=True,
    webhooks=WebhookPlan.LOST,
    hidden=timedelta(seconds=130),
    feed=FeedPlan.LATE,
    feed_delay=timedelta(seconds=135),
)
"""It took effect, and nothing says so for longer than a short key lives: who sends it again then does it twice."""

WRONG_REFERENCE: Final = Fault(
    reply=ReplyFault.WRONG_REFERENCE,
    webhooks=WebhookPlan.LOST,
    feed=FeedPlan.LATE,
    feed_delay=timedelta(seconds=10),
)
"""It took effect, and the only witness for a while echoes somebody else's reference."""

LYING_LOOK_UP: Final = Fault(
    reply=ReplyFault.TIMEOUT_AFTER,
    webhooks=WebhookPlan.LATE,
    webhook_delay=timedelta(seconds=4),
    hidden=timedelta(seconds=4),
    shows_before=True,
    feed=FeedPlan.LATE,
    feed_delay=timedelta(seconds=4),
)
"""It took effect, its reply is lost, and for a while whoever looks is told that it did not, within beta's window."""

KEY_FORGOTTEN: Final = Fault(
    reply=ReplyFault.TIMEOUT_AFTER,
    webhooks=WebhookPlan.LOST,
    hidden=timedelta(seconds=20),
    feed=FeedPlan.LATE,
    feed_delay=timedelta(seconds=20),
    key_life=timedelta(seconds=1),
)
"""It took effect, nothing says so for a while, and its key is forgotten much sooner than agreed: a second send under it
is done a second time."""

WEBHOOK_DAYS_LATE: Final = Fault(webhooks=WebhookPlan.LATE, webhook_delay=DAYS_LATE)


@dataclass(frozen=True, slots=True)
class Lottery:
    """A seed, and in how many of a hundred cases something goes wrong."""

    seed: str
    rate: int

    def draw(self, operation: Operation, subject: str) -> Fault:
        """The fault of this operation of this subject: the same whenever it is asked for."""
        digest = hashlib.sha256(f"{self.seed}|{operation}|{subject}".encode()).digest()
        chance, lot = int.from_bytes(digest[:4]), int.from_bytes(digest[4:8])
        if chance * RATE_MAX >= self.rate * _STEPS:
            return NO_FAULT
        return LOTS[lot % len(LOTS)]

    def draw_all(self, subject: str) -> Mapping[Operation, Fault]:
        """The faults of every operation of this subject."""
        return {operation: self.draw(operation, subject) for operation in Operation}
