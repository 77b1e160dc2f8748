"""Worked examples of the posting rules: events in, journals and balances out, booked by the rules themselves.

They stand in ``docs/posting-rules.md`` for people; being computed, they cannot say anything else than the table does.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from services.ledger.domain.adjustment_templates import TEMPLATES
from services.ledger.domain.adjustments import Adjustment, journal_for
from services.ledger.domain.chart import FAMILIES, Side, balance_on_normal_side
from services.ledger.domain.journal import Cause, Journal
from services.ledger.domain.posting import journals_for
from services.ledger.domain.worked_adjustments import BY_HAND
from services.ledger.domain.worked_returns import RETURN_EXAMPLES
from services.ledger.domain.worked_settlements import SETTLEMENT_EXAMPLES, Example, Fields
from shared.kernel.decisions import DecisionState

HOME: Final = "EUR"
_AT: Final = datetime(2026, 1, 1, tzinfo=UTC)
_PAYMENT: Final[Fields] = {
    "payment_id": "pay",
    "merchant_id": "mer",
    "currency": "EUR",
    "processor": "alpha",
    "account": "acct",
    "bank_account": "main",
}


def _captured(amount_minor: int, fee_minor: int) -> tuple[str, Fields]:
    return "PaymentCaptured", {"object_id": "cap", "amount_minor": amount_minor, "fee_minor": fee_minor}


def _dispute(event_type: str, amount_minor: int, **more: int) -> tuple[str, Fields]:
    return event_type, {
        "object_id": "dsp",
        "dispute_id": "dp",
        "charged_to": "merchant",
        "amount_minor": amount_minor,
    } | more


def _reversal(event_type: str, amount_minor: int) -> tuple[str, Fields]:
    return event_type, {
        "object_id": "rvl",
        "reversal_id": "rvs",
        "charged_to": "merchant",
        "amount_minor": amount_minor,
    }


EXAMPLES: Final[tuple[Example, ...]] = (
    Example(
        "Capture of 100 with a fee of 3; refund of 40; dispute of 60 with a fee of 15, lost",
        (
            _captured(10_000, 300),
            ("RefundRequested", {"refund_id": "re", "amount_minor": 4_000, "fee_returned_minor": 0}),
            ("RefundSucceeded", {"refund_id": "re", "object_id": "ref", "amount_minor": 4_000}),
            _dispute("DisputeWithdrawn", 6_000, fee_minor=1_500),
            _dispute("DisputeWrittenOff", 6_000),
        ),
    ),
    Example(
        "Dispute of 60 won",
        (
            _captured(10_000, 0),
            _dispute("DisputeWithdrawn", 6_000, fee_minor=0),
            _dispute("DisputeReinstated", 6_000, held_minor=6_000),
        ),
    ),
    Example(
        "Dispute of 60 lost, 20 reinstated after the loss",
        (
            _captured(10_000, 0),
            _dispute("DisputeWithdrawn", 6_000, fee_minor=0),
            _dispute("DisputeWrittenOff", 6_000),
            _dispute("DisputeReinstated", 2_000, held_minor=0),
        ),
    ),
    Example(
        "Reversal of 100, of which 30 are given back",
        (
            _captured(10_000, 0),
            _reversal("ReversalReceived", 10_000),
            _reversal("ReversalGivenBack", 3_000),
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class _Books:
    """What the example has booked so far."""

    journals: list[Journal]

    def find(self, payment_id: str, rule: str, subject: str) -> Journal | None:
        """The journal of this rule for this subject."""
        del payment_id  # an example has one
        return next((j for j in self.journals if (j.rule, j.subject) == (rule, subject)), None)

    def find_fact(self, rule: str, fact_key: str) -> Journal | None:
        """The journal of this rule for this fact."""
        return next((j for j in self.journals if (j.rule, j.fact_key) == (rule, fact_key)), None)

    def of_payment(self, payment_id: str) -> list[Journal]:
        """Everything that tells of the example's payment."""
        return [journal for journal in self.journals if journal.payment_id == payment_id]

    grounds_of = of_payment


def booked(example: Example) -> list[Journal]:
    """The example's journals, in order."""
    numbers = itertools.count(1)
    journals: list[Journal] = []
    for event_type, fields in example.told:
        number = next(numbers)
        whole = {**_PAYMENT, "fact_key": f"fact {number}", **fields}
        cause = Cause(event_id=f"event {number}", event_type=event_type, version=1)
        journals += journals_for(cause, whole, _AT, _Books(journals), lambda: f"journal {next(numbers)}")
    return journals


def booked_by_hand(name: str) -> list[Journal]:
    """What stood before the template's example, and its journal."""
    example = BY_HAND[name]
    journals = booked(Example(name, example.told))
    owners: dict[str, str] = {taken: _PAYMENT.get(taken, "") for taken in TEMPLATES[name].takes}
    adjustment = Adjustment(
        template=name,
        parameters={**owners, **example.parameters},
        amount_minor=example.amount_minor,
        currency=HOME,
        reason=example.before,
        attachment="ticket",
        adjustment_id="adjustment",
        state=DecisionState.APPROVED,
        proposed_by="one person",
        proposed_at=_AT,
    )
    cause = Cause(event_id="decision", event_type="OperatorActed", version=1)
    return [*journals, journal_for(adjustment, cause, "journal by hand", _AT)]


def balances(journals: list[Journal]) -> dict[str, int]:
    """What stands on each family at the end, on its normal side, without the zeros; by currency, if not in euros."""
    total: Counter[str] = Counter()
    for entry in (entry for journal in journals for entry in journal.entries):
        debit, credit = (entry.amount_minor, 0) if entry.side is Side.DEBIT else (0, entry.amount_minor)
        name = entry.account.family + _foreign(entry.account.currency)
        total[name] += balance_on_normal_side(entry.account.family, debit, credit)
    return {name: minor for name, minor in total.items() if minor}


def _foreign(currency: str) -> str:
    return "" if currency == HOME else f" {currency}"


def _symbol(name: str) -> str:
    family, *currency = name.split(" ")
    return " ".join([FAMILIES[family].symbol, *currency])


def render_examples() -> Iterator[str]:
    """The examples as Markdown."""
    yield "## Worked examples\n"
    yield "Amounts in minor units. Booked by the rules above when this page is generated. What stands then is on the"
    yield "normal sides, without the zeros."
    for example in (*EXAMPLES, *RETURN_EXAMPLES, *SETTLEMENT_EXAMPLES):
        journals = booked(example)
        yield f"\n### {example.title}\n"
        yield "| event | Dr | Cr | stands then |"
        yield "|---|---|---|---|"
        for number, journal in enumerate(journals, start=1):
            sides = f"{_side(journal, Side.DEBIT)} | {_side(journal, Side.CREDIT)}"
            yield f"| `{journal.cause.event_type}` | {sides} | {_left(journals[:number])} |"
    yield from _by_hand()


def _by_hand() -> Iterator[str]:
    yield "\n### By hand, one example per template\n"
    yield "| template | after | Dr | Cr | at the end |"
    yield "|---|---|---|---|---|"
    for name, example in BY_HAND.items():
        journals = booked_by_hand(name)
        sides = f"{_side(journals[-1], Side.DEBIT)} | {_side(journals[-1], Side.CREDIT)}"
        yield f"| {name} | {example.before} | {sides} | {_left(journals)} |"


def _left(journals: list[Journal]) -> str:
    left = ", ".join(f"{_symbol(name)} {minor}" for name, minor in balances(journals).items())
    return left or "nothing"


def _side(journal: Journal, side: Side) -> str:
    return "; ".join(
        f"{FAMILIES[entry.account.family].symbol} {entry.amount_minor}{_foreign(entry.account.currency)}"
        for entry in journal.entries
        if entry.side is side
    )
