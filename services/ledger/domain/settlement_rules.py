"""The posting rules of ``reconciliation.events``: processors' lines, reserves, exchanges, and the bank's credits.

Rows for events that name no amounts ready to book rest on ``settlement_lines``, which completes their fields.
"""

from __future__ import annotations

from typing import Final

from services.ledger.domain.chart import (
    BANK_CASH,
    BC,
    FX,
    PF,
    PROCESSOR_RESERVE,
    ROUNDING,
    SUSPENSE,
    R,
)
from services.ledger.domain.rules import (
    Amendment,
    Amount,
    Leg,
    NoPosting,
    Posting,
    Rekeying,
    Row,
    When,
    credit,
    debit,
)
from services.ledger.domain.settlement_lines import LineKind

GROSS: Final = Amount(("gross_minor",))
FEE: Final = Amount(("fee_minor",))
NET: Final = Amount(("net_minor",))
FEE_IN_NET: Final = Amount(("fee_in_net_currency_minor",))
CONVERTED: Final = Amount(("converted_minor",))
ROUNDED: Final = Amount(("rounding_minor",))
UNEXPLAINED: Final = Amount(("unexplained_minor",))
AMOUNT: Final = Amount(("amount_minor",))
PAYOUT: Final = ("processor", "account", "payout_id")

#: A newer revision takes the place of all matches of the one before; the line itself is its match number 0.
READING: Final = ("revision", "match_number")

LINE_RULE: Final = "settlement_line"
#: A line may be a fee alone, or move nothing but its net.
LINE_STATED: Final = (
    ("gross_minor", "currency"),
    ("net_minor", "net_currency"),
    ("fee_minor", "fee_currency"),
)


def _line(kind: LineKind, *legs: Leg) -> Posting:
    """One rule for lines of every kind: so a revision of a line can be booked only once, whatever it says."""
    return Posting(
        on="SettlementLineAccepted",
        when=When("line_kind", kind.value),
        rule=LINE_RULE,
        fact_key="fact_key",
        subject="line_key",
        legs=legs,
        stated=LINE_STATED,
        least_minor=None,
    )


#: What the rate explains is the position; the rest is rounding, or, where it is too much for that, a question.
_CONVERTED_TO_NET: Final = (
    credit(FX, CONVERTED, currency="net_currency"),
    credit(ROUNDING, ROUNDED, currency="net_currency"),
    credit(SUSPENSE, UNEXPLAINED, "line_key", currency="net_currency"),
)

SETTLEMENT_RULES: Final[tuple[Row, ...]] = (
    _line(
        LineKind.PLAIN,
        debit(BC, NET, *PAYOUT),
        debit(PF, FEE),
        credit(R, GROSS, "claim_key"),
        credit(SUSPENSE, UNEXPLAINED, "line_key"),
    ),
    _line(
        LineKind.RESERVE,
        debit(BC, NET, *PAYOUT),
        debit(PF, FEE),
        credit(PROCESSOR_RESERVE, GROSS),
        credit(SUSPENSE, UNEXPLAINED, "line_key"),
    ),
    _line(
        LineKind.OTHER,
        debit(BC, NET, *PAYOUT, currency="net_currency"),
        credit(SUSPENSE, NET, "line_key", currency="net_currency"),
    ),
    _line(
        LineKind.EXCHANGE,
        debit(FX, GROSS),
        credit(R, GROSS, "claim_key"),
        debit(BC, NET, *PAYOUT, currency="net_currency"),
        debit(PF, FEE, currency="net_currency"),
        *_CONVERTED_TO_NET,
    ),
    _line(
        LineKind.EXCHANGE_FEE_IN_GROSS,
        debit(PF, FEE),
        debit(FX, GROSS - FEE),
        credit(R, GROSS, "claim_key"),
        debit(BC, NET, *PAYOUT, currency="net_currency"),
        *_CONVERTED_TO_NET,
    ),
    _line(
        LineKind.EXCHANGE_FEE_IN_THIRD,
        debit(FX, GROSS),
        credit(R, GROSS, "claim_key"),
        debit(BC, Amount((*NET.plus, *FEE_IN_NET.plus)), *PAYOUT, currency="net_currency"),
        *_CONVERTED_TO_NET,
        debit(PF, FEE, currency="fee_currency"),
        credit(FX, FEE, currency="fee_currency"),
        debit(FX, FEE_IN_NET, currency="net_currency"),
        credit(BC, FEE_IN_NET, *PAYOUT, currency="net_currency"),
    ),
    Amendment(
        on="SettlementLineAmended",
        rule=LINE_RULE,
        amended="amended_fact_key",
        former="former_fact_keys",
        as_if="SettlementLineAccepted",
        key="line_key",
        becomes="object_key",
        rank=READING,
    ),
    Rekeying(
        on="SettlementLineMatched",
        key="line_key",
        becomes="object_key",
        rank=READING,
        why="the line's money is booked already; only what it clears is known now",
    ),
    Rekeying(
        on="SettlementLineUnmatched",
        key="line_key",
        becomes="line_key",
        rank=READING,
        why="a match that was taken back moved no money either",
    ),
    Posting(
        on="BankCreditAllocated",
        rule="bank_credit",
        fact_key="fact_key",
        subject="fact_key",
        least_minor=None,
        legs=(debit(BANK_CASH, AMOUNT), credit(BC, AMOUNT, *PAYOUT)),
    ),
    Posting(
        on="PayoutReturned",
        rule="payout_returned",
        fact_key="fact_key",
        subject="fact_key",
        legs=(debit(BC, AMOUNT, *PAYOUT), credit(BANK_CASH, AMOUNT)),
    ),
    NoPosting(
        on="ObjectReported", why="evidence for payment; what follows of it comes as payment's own event"
    ),
    NoPosting(on="StrayReturnProposed", why="a wish to payment; what it returns comes as its own event"),
    NoPosting(
        on="StrayReturnWithdrawn",
        why="a wish taken back; what payment returned all the same comes as its own event",
    ),
    NoPosting(
        on="AdjustmentProposed",
        why="a proposal moves no money; what two people approve of it here is an adjustment",
    ),
    NoPosting(
        on="AdjustmentWithdrawn", why="what is wanted no more is not booked; what is booked people reverse"
    ),
)
