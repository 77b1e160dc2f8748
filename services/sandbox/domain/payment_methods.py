"""Owns the table of payment methods: which card behaves how, and which fault strikes where.

A fault belongs to a payment method and therefore to every operation of its payment, unless the name
limits it with ``_on_<operation>``. It strikes once per idempotency key, as a real network would.
"""

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Final

from services.sandbox.domain.faults import (
    COPIES_MAX,
    NO_DELAY,
    NO_FAULT,
    EffectPlan,
    Fault,
    Operation,
    ReplyFault,
    WebhookPlan,
)
from services.sandbox.domain.random_faults import (
    KEY_FORGOTTEN,
    LYING_LOOK_UP,
    NO_EVIDENCE,
    OUTLIVES_KEY,
    RATE_MAX,
    WEBHOOK_DAYS_LATE,
    WRONG_REFERENCE,
    Lottery,
)
from shared.kernel.errors import Rejected


class RefundCourse(StrEnum):
    """How refunds on a card run."""

    SUCCEEDS = "succeeds"
    PENDS = "pends"
    DECLINED = "declined"
    FAILS_LATER = "fails_later"


class HoldCourse(StrEnum):
    """How an authorization begins: decided at once, or some time later, when its issuer has."""

    AT_ONCE = "at_once"
    LATER = "later"
    DECLINED_LATER = "declined_later"


class ClaimCourse(StrEnum):
    """What comes of a capture later, after the settling delay, without anybody asking."""

    NONE = ""
    FAILS = "fails"
    INQUIRY = "inquiry"
    DISPUTE = "dispute"
    NOT_RECEIVED = "not_received"
    TWICE = "twice"
    WON = "won"
    LOST = "lost"
    REVERSAL = "reversal"
    PARTIAL_REVERSAL = "partial_reversal"
    REVERSAL_GIVEN_BACK = "reversal_given_back"


CARD_FAULTS: Final = (
    ReplyFault.NONE,
    ReplyFault.TIMEOUT_BEFORE,
    ReplyFault.TIMEOUT_AFTER,
    ReplyFault.ERROR_BEFORE,
    ReplyFault.ERROR_AFTER,
    ReplyFault.EFFECT_LATE,
    ReplyFault.HANG,
    ReplyFault.RATE_LIMITED,
)
"""The reply faults that cards stand for."""
CARD_PLANS: Final = (
    WebhookPlan.NORMAL,
    WebhookPlan.FIRST,
    WebhookPlan.TWICE,
    WebhookPlan.LATE,
    WebhookPlan.LOST,
)
"""The webhook plans that cards stand for."""
_RANDOM: Final = re.compile(
    r"pm_random_(?P<rate>[0-9]{1,3})_(?P<seed>[0-9a-zA-Z]{1,32})_[0-9a-zA-Z]{1,32}(_(?P<claim>[a-zA-Z]{1,32}))?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentMethod:
    """One row of the table: a card's behaviour and the fault that comes with it."""

    name: str
    decline_code: str | None = None
    hold_course: HoldCourse = HoldCourse.AT_ONCE
    #: How long what it holds can be captured, if not as long as usual ...
    hold_life: timedelta | None = None
    #: ... and how much later the processor says that it has run out.
    expiry_told_after: timedelta = NO_DELAY
    refund_course: RefundCourse = RefundCourse.SUCCEEDS
    capture_pends: bool = False
    claim: ClaimCourse = ClaimCourse.NONE
    amount_drift_minor: int = 0
    #: The processor takes the money in another currency than was asked for.
    currency_drifts: bool = False
    reply_fault: ReplyFault = ReplyFault.NONE
    webhook_plan: WebhookPlan = WebhookPlan.NORMAL
    strikes: Operation | None = None
    #: Faults that are more than a reply and a plan, by operation.
    drawn: Mapping[Operation, Fault] = field(default_factory=dict)

    def on(self, operation: Operation) -> Fault:
        """Return everything that goes wrong with ``operation``."""
        if self.drawn:
            return self.drawn.get(operation, NO_FAULT)
        if self.strikes not in (None, operation):
            return NO_FAULT
        return Fault(reply=self.reply_fault, webhooks=self.webhook_plan)

    def of_kind(self, kind: str) -> Fault:
        """Return what goes wrong with what the processor does by itself to an object of ``kind``."""
        own = {"dispute": Operation.DISPUTE, "reversal": Operation.DISPUTE}
        return self.on(own.get(kind) or Operation(kind))


WRONG_AMOUNT_DRIFT_MINOR: Final = 100
SHORT_HOLD: Final = timedelta(seconds=5)
EXPIRY_TOLD_AFTER: Final = timedelta(seconds=10)

CARDS: Final[tuple[PaymentMethod, ...]] = (
    PaymentMethod(name="pm_card_visa"),
    PaymentMethod(name="pm_card_mastercard"),
    PaymentMethod(name="pm_card_chargeDeclined", decline_code="generic_decline"),
    PaymentMethod(name="pm_card_visa_chargeDeclined", decline_code="generic_decline"),
    PaymentMethod(name="pm_card_visa_chargeDeclinedInsufficientFunds", decline_code="insufficient_funds"),
    PaymentMethod(name="pm_card_chargeDeclinedExpiredCard", decline_code="expired_card"),
    PaymentMethod(name="pm_card_pendingAuthorization", hold_course=HoldCourse.LATER),
    PaymentMethod(name="pm_card_pendingAuthorizationDeclined", hold_course=HoldCourse.DECLINED_LATER),
    PaymentMethod(name="pm_card_shortHold", hold_life=SHORT_HOLD, expiry_told_after=EXPIRY_TOLD_AFTER),
    PaymentMethod(name="pm_card_pendingRefund", refund_course=RefundCourse.PENDS),
    PaymentMethod(name="pm_card_refundFail", refund_course=RefundCourse.FAILS_LATER),
    PaymentMethod(name="pm_card_refundDeclined", refund_course=RefundCourse.DECLINED),
    PaymentMethod(name="pm_card_pendingCapture", capture_pends=True),
    PaymentMethod(name="pm_card_captureFail", claim=ClaimCourse.FAILS),
    PaymentMethod(name="pm_card_createDispute", claim=ClaimCourse.DISPUTE),
    PaymentMethod(name="pm_card_createDisputeProductNotReceived", claim=ClaimCourse.NOT_RECEIVED),
    PaymentMethod(name="pm_card_createDisputeInquiry", claim=ClaimCourse.INQUIRY),
    PaymentMethod(name="pm_card_createMultipleDisputes", claim=ClaimCourse.TWICE),
    PaymentMethod(name="pm_card_createDisputeWon", claim=ClaimCourse.WON),
    PaymentMethod(name="pm_card_createDisputeLost", claim=ClaimCourse.LOST),
    PaymentMethod(name="pm_card_createReversal", claim=ClaimCourse.REVERSAL),
    PaymentMethod(name="pm_card_createPartialReversal", claim=ClaimCourse.PARTIAL_REVERSAL),
    PaymentMethod(name="pm_card_createReversalGivenBack", claim=ClaimCourse.REVERSAL_GIVEN_BACK),
    PaymentMethod(name="pm_fault_wrong_amount", amount_drift_minor=WRONG_AMOUNT_DRIFT_MINOR),
    PaymentMethod(name="pm_fault_wrong_currency", currency_drifts=True),
    PaymentMethod(
        name="pm_fault_timeout_after_declined",
        decline_code="generic_decline",
        reply_fault=ReplyFault.TIMEOUT_AFTER,
        strikes=Operation.AUTHORIZATION,
    ),
)


SCRIPTED: Final[Mapping[str, Fault]] = {
    "pm_fault_malformed": Fault(reply=ReplyFault.MALFORMED),
    "pm_fault_look_up_lies": LYING_LOOK_UP,
    "pm_fault_webhook_days_late": WEBHOOK_DAYS_LATE,
    "pm_fault_rate_limited_after": Fault(reply=ReplyFault.RATE_LIMITED_AFTER),
    "pm_fault_rate_limited_after_webhook_lost": Fault(
        reply=ReplyFault.RATE_LIMITED_AFTER, webhooks=WebhookPlan.LOST
    ),
    "pm_fault_refused_after": Fault(reply=ReplyFault.REFUSED_AFTER),
    "pm_fault_refused_after_webhook_lost": Fault(reply=ReplyFault.REFUSED_AFTER, webhooks=WebhookPlan.LOST),
    "pm_fault_refused": Fault(reply=ReplyFault.REFUSED, always=True),
    "pm_fault_effect_twice": Fault(effect=EffectPlan.TWICE),
    "pm_fault_webhook_many": Fault(copies=COPIES_MAX),
    "pm_fault_webhook_reversed": Fault(webhooks=WebhookPlan.REVERSED),
    "pm_fault_webhook_forged": Fault(webhooks=WebhookPlan.FORGED),
    "pm_fault_webhook_stale": Fault(webhooks=WebhookPlan.STALE),
    "pm_fault_webhook_unsigned": Fault(webhooks=WebhookPlan.UNSIGNED),
    "pm_fault_webhook_nobodys": Fault(webhooks=WebhookPlan.NOBODYS),
    "pm_fault_webhook_garbled": Fault(webhooks=WebhookPlan.GARBLED),
    "pm_fault_key_forgotten": KEY_FORGOTTEN,
}
"""What a script can say in one rule and a merchant's test wants by card: each for all operations or for one."""


def _fault_methods() -> list[PaymentMethod]:
    """Every reply fault with every webhook plan, each for all operations or for one."""
    targets: list[Operation | None] = [None, *Operation]
    return [
        PaymentMethod(
            name="_".join(["pm_fault", *filter(None, [fault, plan]), *(["on", target] if target else [])]),
            reply_fault=fault,
            webhook_plan=plan,
            strikes=target,
        )
        for fault, plan, target in itertools.product(CARD_FAULTS, CARD_PLANS, targets)
        if fault or plan
    ]


def _without_evidence() -> list[PaymentMethod]:
    """The operation takes effect, and nothing will ever say so: what is left is a case for people."""
    return _always("pm_no_evidence", NO_EVIDENCE)


def _always(name: str, fault: Fault) -> list[PaymentMethod]:
    """One fault that is more than a reply and a plan, for all operations or for one."""
    targets: list[Operation | None] = [None, *Operation]
    return [
        PaymentMethod(
            name="_".join([name, *(["on", target] if target else [])]),
            drawn={operation: fault for operation in Operation if target in (None, operation)},
        )
        for target in targets
    ]


PAYMENT_METHODS: Final[Mapping[str, PaymentMethod]] = {
    method.name: method
    for method in (
        *CARDS,
        *_fault_methods(),
        *_without_evidence(),
        *_always("pm_fault_outlives_key", OUTLIVES_KEY),
        *_always("pm_fault_wrong_reference", WRONG_REFERENCE),
        *(method for name, fault in SCRIPTED.items() for method in _always(name, fault)),
    )
}
CLAIM_COURSES: Final[Mapping[str, ClaimCourse]] = {
    card.name.removeprefix("pm_card_"): card.claim for card in CARDS if card.claim
}
"""What may stand at the end of a random card's name."""


@lru_cache(maxsize=4_096)
def payment_method(name: str) -> PaymentMethod:
    """Return the row of ``name``; an unknown card is the caller's mistake.

    ``pm_random_<rate>_<seed>_<anything>`` suffers faults by lot: of each operation, ``rate`` in a hundred; with
    ``_createDispute`` or the like behind it, that comes of each capture, too.
    """
    found = PAYMENT_METHODS.get(name)
    if found is not None:
        return found
    by_lot = _RANDOM.fullmatch(name)
    claim = CLAIM_COURSES.get(by_lot["claim"]) if by_lot and by_lot["claim"] else ClaimCourse.NONE
    if by_lot is None or claim is None or int(by_lot["rate"]) > RATE_MAX:
        raise Rejected(
            "payment_method_unknown", "No such payment method.", status=422, param="payment_method"
        )
    lottery = Lottery(by_lot["seed"], int(by_lot["rate"]))
    return PaymentMethod(name=name, claim=claim, drawn=lottery.draw_all(name))


def other_currency(currency: str) -> str:
    """A currency with as many decimals, most times, that is not this one."""
    return "USD" if currency == "EUR" else "EUR"
