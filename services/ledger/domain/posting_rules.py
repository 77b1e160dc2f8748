"""The posting rules, as one table: what each event writes into the books, and what it does not.

Every event type of a topic that is read has at least one row; a type without a row is refused when the consumer
starts. Amounts are named by the event's fields. A negative amount stands on the other side, zero writes none.
What settles, processors' lines and the bank's, is in ``settlement_rules``. ``docs/posting-rules.md`` is generated
from both.

A row is bound to what stands before it (``completes``, ``within``, ``ground``) where the payment's stream cannot but
tell that first. What the world did is not bound, because it may rightly come before its ground or be more than it:
``DisputeReinstated`` and ``ReversalGivenBack`` follow money rows, which come in any order, so that one that is told
first stands below zero until the row that took the money is told; ``StrayReturnRequested`` is also told of what
somebody else gave back, of a hold as well, and as often as they did. What they leave shows under its clearing key, and
``payment`` opens a case.
"""

from __future__ import annotations

from typing import Final

from services.ledger.domain.chart import (
    DISPUTE_FEES,
    FEE_REVENUE,
    IN_DOUBT_CONTRA,
    IN_DOUBT_IN,
    IN_DOUBT_OUT,
    MA,
    MH,
    MP,
    RF,
    SUSPENSE,
    D,
    R,
)
from services.ledger.domain.journal import REVERSED_SUFFIX
from services.ledger.domain.rules import (
    Amendment,
    Amount,
    Ground,
    NoPosting,
    Posting,
    Rekeying,
    Reversal,
    Row,
    When,
    Within,
    credit,
    debit,
)
from services.ledger.domain.settlement_rules import SETTLEMENT_RULES

AMOUNT: Final = Amount(("amount_minor",))
FEE: Final = Amount(("fee_minor",))
FEE_RETURNED: Final = Amount(("fee_returned_minor",))
DISPUTE_FEE: Final = Amount(("fee_minor",))
HELD: Final = Amount(("held_minor",))
OBJECT: Final = ("processor", "account", "object_id")
CHARGE: Final = ("customer", "merchant")
RETURN: Final = ("merchant", "customer")
OF_MERCHANT: Final = When("charged_to", "merchant")
OF_STRAY: Final = When("charged_to", "suspense")

PAYMENT_RULES: Final[tuple[Row, ...]] = (
    Posting(
        on="PaymentCaptured",
        rule="capture",
        fact_key="fact_key",
        subject="object_id",
        parties=CHARGE,
        legs=(debit(R, AMOUNT, *OBJECT), credit(MP, AMOUNT - FEE), credit(FEE_REVENUE, FEE)),
    ),
    Posting(
        on="CaptureSettled",
        rule="capture_settled",
        ground=Ground("capture", OBJECT, MP),
        fact_key="fact_key",
        subject="fact_key",
        legs=(debit(MP, AMOUNT - FEE), credit(MA, AMOUNT - FEE)),
    ),
    Reversal(
        on="CaptureUnsettled",
        reverses=("capture_settled",),
        subject="settled_fact_key",
        must_exist=True,
        amount=AMOUNT - FEE,
        from_the_start=True,
    ),
    Posting(
        on="RefundRequested",
        rule="refund_requested",
        fact_key="refund_id",
        subject="refund_id",
        parties=RETURN,
        legs=(
            debit(MA, AMOUNT),
            credit(RF, AMOUNT, "refund_id"),
            debit(FEE_REVENUE, FEE_RETURNED),
            credit(MA, FEE_RETURNED),
        ),
    ),
    Posting(
        on="RefundSucceeded",
        rule="refund_succeeded",
        completes=("refund_requested", "refund_id"),
        fact_key="fact_key",
        subject="refund_id",
        parties=RETURN,
        legs=(debit(RF, AMOUNT, "refund_id"), credit(R, AMOUNT, *OBJECT)),
    ),
    Reversal(
        on="RefundFailed",
        reverses=("refund_succeeded", "refund_requested", "refund_adopted"),
        subject="refund_id",
        must_exist=True,
    ),
    Posting(
        on="RefundAdopted",
        rule="refund_adopted",
        fact_key="fact_key",
        subject="refund_id",
        parties=RETURN,
        legs=(debit(MA, AMOUNT), credit(R, AMOUNT, *OBJECT)),
    ),
    Posting(
        on="OperationUncertain",
        when=When("direction", "in"),
        rule="capture_in_doubt",
        least_minor=0,
        fact_key="operation_id",
        subject="operation_id",
        legs=(debit(IN_DOUBT_IN, AMOUNT, "operation_id"), credit(IN_DOUBT_CONTRA, AMOUNT, "operation_id")),
    ),
    Posting(
        on="OperationUncertain",
        when=When("direction", "out"),
        rule="refund_in_doubt",
        least_minor=0,
        fact_key="operation_id",
        subject="operation_id",
        legs=(debit(IN_DOUBT_CONTRA, AMOUNT, "operation_id"), credit(IN_DOUBT_OUT, AMOUNT, "operation_id")),
    ),
    NoPosting(
        on="OperationUncertain",
        when=When("direction", "none"),
        why="an authorization or a cancel moves no money, so none is in doubt",
    ),
    Reversal(
        on="OperationResolved",
        reverses=("capture_in_doubt", "refund_in_doubt"),
        subject="operation_id",
        must_exist=False,
    ),
    Posting(
        on="StrayFound",
        when=When("kind", "money"),
        rule="stray_found",
        fact_key="fact_key",
        subject="stray_id",
        legs=(debit(R, AMOUNT, *OBJECT), credit(SUSPENSE, AMOUNT, "stray_id")),
    ),
    NoPosting(on="StrayFound", when=When("kind", "hold"), why="a hold is not money; it is voided"),
    Posting(
        on="StrayReturnRequested",
        rule="stray_return_requested",
        fact_key="operation_id",
        subject="operation_id",
        legs=(debit(SUSPENSE, AMOUNT, "stray_id"), credit(RF, AMOUNT, "operation_id")),
    ),
    Posting(
        on="StrayReturnSucceeded",
        rule="stray_return_succeeded",
        completes=("stray_return_requested", "operation_id"),
        fact_key="fact_key",
        subject="operation_id",
        legs=(debit(RF, AMOUNT, "operation_id"), credit(R, AMOUNT, *OBJECT)),
    ),
    Reversal(
        on="StrayReturnFailed",
        reverses=("stray_return_succeeded", "stray_return_requested"),
        subject="operation_id",
        must_exist=True,
    ),
    Reversal(
        on="StrayAccepted",
        reverses=("stray_found", "refund_stray_found"),
        subject="stray_id",
        must_exist=True,
        # What it counts as takes effect when the money moved, long before anybody decided.
        from_the_start=True,
    ),
    Posting(
        on="RefundStrayFound",
        rule="refund_stray_found",
        fact_key="fact_key",
        subject="stray_id",
        legs=(debit(SUSPENSE, AMOUNT, "stray_id"), credit(R, AMOUNT, *OBJECT)),
    ),
    Reversal(on="RefundStrayFailed", reverses=("refund_stray_found",), subject="stray_id", must_exist=True),
    Posting(
        on="DisputeWithdrawn",
        when=OF_MERCHANT,
        rule="dispute_withdrawn",
        fact_key="fact_key",
        subject="dispute_id",
        parties=RETURN,
        legs=(
            debit(D, AMOUNT, *OBJECT),
            credit(R, AMOUNT, *OBJECT),
            debit(MA, AMOUNT),
            credit(MH, AMOUNT, *OBJECT),
            debit(MA, DISPUTE_FEE),
            credit(DISPUTE_FEES, DISPUTE_FEE),
        ),
    ),
    Posting(
        on="DisputeWithdrawn",
        when=OF_STRAY,
        rule="stray_disputed",
        fact_key="fact_key",
        subject="dispute_id",
        legs=(debit(SUSPENSE, AMOUNT, "stray_id"), credit(R, AMOUNT, *OBJECT)),
    ),
    Posting(
        # What was still held leaves D and MH; what was written off before comes back to the merchant alone.
        on="DisputeReinstated",
        when=OF_MERCHANT,
        rule="dispute_reinstated",
        fact_key="fact_key",
        subject="dispute_id",
        parties=CHARGE,
        part=("held_minor", "amount_minor"),
        legs=(
            debit(R, AMOUNT, *OBJECT),
            credit(D, HELD, *OBJECT),
            debit(MH, HELD, *OBJECT),
            credit(MA, AMOUNT),
        ),
    ),
    Posting(
        on="DisputeReinstated",
        when=OF_STRAY,
        rule="stray_reinstated",
        fact_key="fact_key",
        subject="dispute_id",
        legs=(debit(R, AMOUNT, *OBJECT), credit(SUSPENSE, AMOUNT, "stray_id")),
    ),
    Posting(
        on="DisputeWrittenOff",
        rule="dispute_written_off",
        fact_key="fact_key",
        subject="dispute_id",
        within=Within(MH),
        legs=(debit(MH, AMOUNT, *OBJECT), credit(D, AMOUNT, *OBJECT)),
    ),
    Posting(
        on="DisputeWriteOffReversed",
        rule="dispute_write_off_reversed",
        fact_key="fact_key",
        subject="dispute_id",
        within=Within(MH, ("dispute_written_off", "dispute_write_off_reversed")),
        legs=(debit(D, AMOUNT, *OBJECT), credit(MH, AMOUNT, *OBJECT)),
    ),
    Posting(
        on="ReversalReceived",
        when=OF_MERCHANT,
        rule="reversal_received",
        fact_key="fact_key",
        subject="reversal_id",
        parties=RETURN,
        legs=(debit(MA, AMOUNT), credit(R, AMOUNT, *OBJECT)),
    ),
    Posting(
        on="ReversalReceived",
        when=OF_STRAY,
        rule="stray_reversed",
        fact_key="fact_key",
        subject="reversal_id",
        legs=(debit(SUSPENSE, AMOUNT, "stray_id"), credit(R, AMOUNT, *OBJECT)),
    ),
    Posting(
        on="ReversalGivenBack",
        when=OF_MERCHANT,
        rule="reversal_given_back",
        fact_key="fact_key",
        subject="reversal_id",
        parties=CHARGE,
        legs=(debit(R, AMOUNT, *OBJECT), credit(MA, AMOUNT)),
    ),
    Posting(
        on="ReversalGivenBack",
        when=OF_STRAY,
        rule="stray_reversal_given_back",
        fact_key="fact_key",
        subject="reversal_id",
        legs=(debit(R, AMOUNT, *OBJECT), credit(SUSPENSE, AMOUNT, "stray_id")),
    ),
    NoPosting(on="DisputeOpened", why="an inquiry or a claim; the money moves on its money rows"),
    NoPosting(on="DisputeClosed", why="won posts nothing; a loss is booked by DisputeWrittenOff"),
    NoPosting(on="DisputeResponseRequested", why="an answer to a dispute moves no money"),
    NoPosting(on="PaymentCreated", why="an intent moves no money"),
    NoPosting(on="OperationRequested", why="asking moves no money; a refund is booked by RefundRequested"),
    NoPosting(on="RiskHoldChanged", why="waiting for a person moves no money"),
    NoPosting(on="PaymentMethodDeclined", why="nothing was charged"),
    NoPosting(on="PaymentFailed", why="nothing was charged"),
    NoPosting(on="PaymentAuthorized", why="a hold is not money"),
    NoPosting(on="PaymentCanceled", why="a void releases a hold, which was not money"),
    NoPosting(on="HoldReleased", why="releasing the rest of a hold moves no money"),
    NoPosting(on="StrayReturnAnswered", why="an answer to reconciliation; the return comes as its own event"),
    NoPosting(on="CaseOpened", why="a case is work for people; its money is booked by the facts"),
    NoPosting(on="CaseClosed", why="closing a case moves no money; what was decided comes as its own event"),
    NoPosting(on="OperatorActed", why="an audit record; what was done comes as its own event"),
)

POSTING_RULES: Final[tuple[Row, ...]] = (*PAYMENT_RULES, *SETTLEMENT_RULES)
EVENT_TYPES: Final = frozenset(row.on for row in POSTING_RULES)
REVERSING_EVENT_TYPES: Final = frozenset(row.on for row in POSTING_RULES if isinstance(row, Reversal))
BOUNDED_EVENT_TYPES: Final = frozenset(
    row.on for row in POSTING_RULES if isinstance(row, Posting) and row.within
)
#: By event type that has a ground the rules of what is asked for of its payment: the ground's own, and what took it.
GROUNDS: Final = {
    row.on: (row.ground.rule, row.rule, row.rule + REVERSED_SUFFIX)
    for row in POSTING_RULES
    if isinstance(row, Posting) and row.ground
}
AMENDING_EVENT_TYPES: Final = frozenset(row.on for row in POSTING_RULES if isinstance(row, Amendment))
REKEYING_EVENT_TYPES: Final = frozenset(
    row.on for row in POSTING_RULES if isinstance(row, Rekeying | Amendment)
)
POSTING_EVENT_TYPES: Final = frozenset(
    row.on for row in POSTING_RULES if not isinstance(row, NoPosting | Rekeying)
)
